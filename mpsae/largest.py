"""The k largest entries of each row: `lax.top_k`, faster on long rows."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

BLOCK = 16


def largest(
    values: Float[Array, "batch width"], k: int
) -> tuple[Float[Array, "batch k"], Int[Array, "batch k"]]:
    """The k largest of each row, largest first and the first of equals first, and their places.

    Exact: an entry outside the k blocks of largest maximum has k entries, one in each of those
    blocks, that are larger or equal and earlier. Only these blocks are searched.
    """
    width = values.shape[1]
    blocks = -(-width // BLOCK)
    if 4 * k > blocks:  # the candidates would not be clearly fewer than the row (measured)
        found, places = jax.lax.top_k(values, k)
        return found, places
    _, chosen = jax.lax.top_k(_maxima(values), k)
    # In the order of the row, so that the first of equal candidates is the first of the row.
    chosen = jnp.sort(chosen, axis=1)
    places = (chosen[:, :, None] * BLOCK + jnp.arange(BLOCK, dtype=chosen.dtype)).reshape(len(values), -1)
    inside = jnp.minimum(places, width - 1)
    found = jnp.take_along_axis(values, inside, axis=1, mode="promise_in_bounds")
    if width % BLOCK:  # the last block is short: what it lacks is never chosen
        found = jnp.where(places < width, found, -jnp.inf)
    found, which = jax.lax.top_k(found, k)
    return found, jnp.take_along_axis(places, which, axis=1, mode="promise_in_bounds")


def _maxima(values):
    whole = values.shape[1] // BLOCK * BLOCK
    maxima = values[:, :whole].reshape(len(values), -1, BLOCK).max(-1)
    if whole == values.shape[1]:
        return maxima
    return jnp.concatenate([maxima, values[:, whole:].max(-1, keepdims=True)], axis=1)
