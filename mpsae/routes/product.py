"""Products of many rows with many rows: plain, and the symmetric Gram matrix in tiles."""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

EDGE = 256  # of a tile: long enough for a fast product, short enough to waste little on the diagonal


def product(
    left: Float[Array, "n dim"], right: Float[Array, "m dim"], *, out: DTypeLike | None = None
) -> Float[Array, "n m"]:
    """left rightᵀ at the full precision of the factors' type, summed in type `out` (default theirs)."""
    return jax.lax.dot_general(
        left,
        right,
        (((1,), (1,)), ((), ())),
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=out or left.dtype,
    )


def gram(rows: Float[Array, "width dim"], *, out: DTypeLike | None = None) -> Float[Array, "width width"]:
    """rows rowsᵀ in about half the operations: square tiles of the upper half, mirrored.

    Where tiles do not divide the width, the last one overlaps the one before it.
    """
    width, dim = rows.shape
    count = -(-width // EDGE)
    if count == 1:
        return product(rows, rows, out=out)
    edge = -(-width // count)
    starts = [min(i * edge, width - edge) for i in range(count)]
    pairs = jnp.array([(a, b) for i, a in enumerate(starts) for b in starts[i:]], jnp.int32)
    zero = jnp.int32(0)

    def tile(n, whole):
        a, b = pairs[n, 0], pairs[n, 1]
        left = jax.lax.dynamic_slice(rows, (a, zero), (edge, dim))
        right = jax.lax.dynamic_slice(rows, (b, zero), (edge, dim))
        part = product(left, right, out=out)
        whole = jax.lax.dynamic_update_slice(whole, part, (a, b))
        return jax.lax.dynamic_update_slice(whole, part.T, (b, a))

    return jax.lax.fori_loop(0, len(pairs), tile, jnp.zeros((width, width), out or rows.dtype))
