"""The largest entries of every row, in two levels: block maxima, then the winning blocks only.

A plain argmax along a long row is several times slower on a CPU, where it does not vectorise.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

BLOCKS = (32, 40, 16, 24, 20, 50, 64, 48, 25, 10, 8)


def block(width: int) -> int:
    """The length of a block: a divisor of `width`, or `width` itself where one level is as good."""
    if width <= 128:
        return width
    return next((size for size in BLOCKS if width % size == 0), width)


def first_max(scores: Float[Array, "batch width"]) -> Int[Array, " batch"]:
    """The first index of each row's maximum; 0 for a row that holds a NaN."""
    batch, width = scores.shape
    size = block(width)
    if size == width:
        return _first(scores)
    blocks = scores.reshape(batch, width // size, size)
    outer = _first(blocks.max(-1))
    return outer * size + _first(_row(blocks, outer))


def best(
    scores: Float[Array, "batch width"], m: int
) -> tuple[list[Int[Array, " batch"]], Float[Array, " batch"]]:
    """Indices of the m largest entries of each row, best first, and the largest entry left over.

    Equal entries in index order; the entry left over is -inf where m = width.
    """
    batch, width = scores.shape
    size = block(width)
    blocks = scores.reshape(batch, width // size, size)
    tops = blocks.max(-1)
    inside = jax.lax.broadcasted_iota(jnp.int32, (batch, size), 1)
    outside = jax.lax.broadcasted_iota(jnp.int32, tops.shape, 1)
    found: list[tuple[Array, Array]] = []
    for _ in range(m):
        outer = _first(tops)
        row = _row(blocks, outer)
        for before, place in found:
            row = jnp.where((before == outer)[:, None] & (inside == place[:, None]), -jnp.inf, row)
        inner = _first(row)
        rest = jnp.where(inside == inner[:, None], -jnp.inf, row).max(-1)
        tops = jnp.where(outside == outer[:, None], rest[:, None], tops)
        found.append((outer, inner))
    return [outer * size + inner for outer, inner in found], tops.max(-1)


def _row(blocks: Float[Array, "batch n size"], outer: Int[Array, " batch"]) -> Float[Array, "batch size"]:
    return jnp.take_along_axis(blocks, outer[:, None, None], axis=1, mode="promise_in_bounds")[:, 0]


def _first(rows: Float[Array, "batch n"]) -> Int[Array, " batch"]:
    """Two vector passes: the maximum, then the smallest place that equals it."""
    top = rows.max(-1, keepdims=True)
    places = jax.lax.broadcasted_iota(jnp.int32, rows.shape, 1)
    # A NaN row equals nothing: it takes place 0 and stays NaN instead of indexing out of bounds.
    return jnp.where(rows == top, places, rows.shape[1]).min(-1) % rows.shape[1]
