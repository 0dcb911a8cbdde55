"""LISTA: its steps against a plain loop, its one-shot case, its fixed point."""

import jax.numpy as jnp
import numpy as np
import pytest
from sae_samples import as64, generic, preactivation, rows

from mpsae.saes.lista import Lista


def looped(params, x, depth):
    z = np.zeros((len(x), len(params["atoms"])))
    for _ in range(depth):
        residual = np.asarray(x, float) - params["bias"] - z @ params["atoms"]
        z = np.maximum(z + residual @ params["encoder"] + params["encoder_bias"], 0)
    return z


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_code_is_that_of_the_loop(depth):
    sae = Lista(depth=depth)
    params, x = generic(sae), rows()
    np.testing.assert_allclose(
        sae.encode(params, x).dense(), looped(as64(params), x, depth), rtol=1e-4, atol=1e-4
    )


def test_depth_one_is_the_one_shot_sae():
    sae = Lista(depth=1)
    params, x = generic(sae), rows()
    expected = np.maximum(preactivation(sae, as64(params), x), 0)
    np.testing.assert_allclose(sae.encode(params, x).dense(), expected, atol=1e-5)


def test_with_tied_weights_it_goes_to_the_lasso_solution():
    """With W = s Dᵀ and t = s λ the loop is ISTA: at its end D (x - z D) = λ where z > 0, at most λ elsewhere."""
    rng = np.random.default_rng(0)
    atoms = rng.normal(size=(6, 4))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    x, penalty, step = rng.normal(size=(20, 4)), 0.1, 0.9 / np.linalg.norm(atoms, 2) ** 2
    params = {
        "atoms": jnp.asarray(atoms, jnp.float32),
        "bias": jnp.zeros(4),
        "encoder": jnp.asarray(step * atoms.T, jnp.float32),
        "encoder_bias": jnp.full(6, -step * penalty, jnp.float32),
    }
    z = np.asarray(Lista(depth=3000).encode(params, jnp.asarray(x, jnp.float32)).dense(), float)
    slope = (x - z @ atoms) @ atoms.T
    np.testing.assert_allclose(slope[z > 1e-4], penalty, atol=1e-3)
    assert slope.max() <= penalty + 1e-3 and np.any(z > 0)
