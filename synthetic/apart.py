"""Random directions pushed apart by a few steps of Adam."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float


@partial(jax.jit, static_argnames=("rows", "dim", "steps", "rate"))
def pushed_apart(key: Array, rows: int, dim: int, *, steps: int, rate: float) -> Float[Array, "rows dim"]:
    """Random unit rows after `steps` of Adam on `interference`, then of length 1 again.

    Memory is that of a few [rows, dim] arrays. float32: two kinds of device give slightly
    different rows for one key.
    """
    vectors = _unit(jax.random.normal(key, (rows, dim)))
    adam = optax.adam(rate)

    def step(carry, _):
        vectors, state = carry
        updates, state = adam.update(interference_gradient(vectors), state)
        return (optax.apply_updates(vectors, updates), state), None

    (vectors, _), _ = jax.lax.scan(step, (vectors, adam.init(vectors)), length=steps)
    return _unit(vectors)


def interference_gradient(vectors: Float[Array, "rows dim"]) -> Float[Array, "rows dim"]:
    """Gradient of Σ_{i ≠ j} ⟨d_i, d_j⟩² + rows · Σ_i (‖d_i‖² - 1)² over ordered pairs.

    The pairs need no [rows, rows] matrix: Σ_{i, j} ⟨d_i, d_j⟩² = ‖DᵀD‖², so the gradient is
    4 (D DᵀD - ‖d_i‖² d_i + rows (‖d_i‖² - 1) d_i).
    """
    highest = jax.lax.Precision.HIGHEST
    frame = jnp.matmul(vectors.T, vectors, precision=highest)
    square = jnp.square(vectors).sum(1, keepdims=True)
    radial = len(vectors) * (square - 1) - square
    return 4 * (jnp.matmul(vectors, frame, precision=highest) + radial * vectors)


def _unit(vectors: Array) -> Array:
    return vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)
