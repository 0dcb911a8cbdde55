"""Params, rows and float64 helpers that the tests of one-shot variants share."""

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.sae import Context

KEY = jax.random.key(0)


KEY = jax.random.key(0)
ROWS, DIM, WIDTH = 9, 5, 8


def context(sae, params, step=0, steps=100, key=KEY, **state):
    return Context(step=step, steps=steps, key=key, state=sae.init_state(params) | state)


def generic(sae, width=WIDTH, seed=0):
    """Params away from every symmetric start: biases not 0, atoms not unit, encoder not Dᵀ."""
    rng = np.random.default_rng(seed)
    params = sae.init(jax.random.key(seed), DIM, width)
    return {
        name: jnp.asarray(
            value + (0.3 * rng.normal(size=value.shape) if name != "threshold" else 0), jnp.float32
        )
        for name, value in params.items()
    }


def rows(count=ROWS, seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, DIM)), jnp.float32)


def as64(params):
    return {name: np.asarray(value, float) for name, value in params.items()}


def preactivation(sae, params, x):
    shift = params["bias"] if sae.centre == "bias" else 0.0
    return (np.asarray(x, float) - shift) @ params["encoder"] + params["encoder_bias"]


def finite_difference(loss, params, step=1e-6):
    """Central differences of a float64 function of a dict of arrays."""
    grads = {}
    for name, value in params.items():
        grads[name] = np.zeros_like(value)
        for place in np.ndindex(*value.shape):
            both = []
            for sign in (1, -1):
                moved = value.copy()
                moved[place] += sign * step
                both.append(loss(params | {name: moved}))
            grads[name][place] = (both[0] - both[1]) / (2 * step)
    return grads
