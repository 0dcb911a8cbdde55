"""The m best entries of each row, kept in order while tiles of the row go by (inside a GPU kernel).

Entries are ordered by (score, largest first; index, smallest first). A tile costs one maximum and one
sum per entry, and about 8 instructions per entry more for every round in which some row gains one:
never more than m rounds, and in random order about rows · m / t of them once t tiles have gone by.
"""

import jax
import jax.numpy as jnp

SCORES = {"signed": lambda product: product, "magnitude": jnp.abs}


def merge(kept, broken, product, atom, width, score):
    """Put the best of one tile among the best so far, in order, as long as one row has a better one.

    kept: m ranks, m indices and for magnitudes m products, best first, each [rows]. Nothing is taken
    out of the tile: what was taken is (top, at), and only what comes after it in order is looked at.
    """
    m, columns = len(kept[0]), jax.lax.broadcasted_iota(jnp.int32, (1, product.shape[1]), 1)
    rank = SCORES[score](product)
    if width % product.shape[1]:
        inside = columns < width - atom
        rank, product = jnp.where(inside, rank, -jnp.inf), jnp.where(inside, product, 0.0)
    # The sum is NaN if an entry is (or if inf meets -inf): only then are the entries looked at.
    suspect = product.sum(1)
    broken = jax.lax.cond(
        jnp.max((suspect != suspect).astype(jnp.int32)) > 0,
        lambda: jnp.maximum(broken, jnp.max((product != product).astype(jnp.int32), 1)),
        lambda: broken,
    )

    def better(carry):
        taken, top, _, kept = carry
        return (taken < m) & (jnp.max((top > kept[0][-1]).astype(jnp.int32)) > 0)

    def take(carry):
        taken, top, at, kept = carry
        match = (rank == top[:, None]) & (columns > at[:, None])
        column = jnp.min(jnp.where(match, columns, product.shape[1]), 1)
        new = (top, atom + column)
        if score == "magnitude":
            new += (jnp.where(columns == column[:, None], product, 0.0).sum(1),)
        # Strictly greater: atoms come in ascending order, so an equal one belongs behind.
        above = [top > other for other in kept[0]]
        kept = tuple(_shift_in(field, value, above) for field, value in zip(kept, new, strict=True))
        if m > 1:
            rest = (rank < top[:, None]) | ((rank == top[:, None]) & (columns > column[:, None]))
            second = jnp.max(jnp.where(rest, rank, -jnp.inf), 1)
            top, at = second, jnp.where(second == top, column, -1)
        return taken + 1, top, at, kept

    start = jnp.int32(0), jnp.max(rank, 1), jnp.full(len(product), -1, jnp.int32), kept
    return jax.lax.while_loop(better, take, start)[-1], broken


def _shift_in(field, value, above):
    """`value` at the first slot it is above, the slots from there on one further, the last one out."""
    moved = [jnp.where(here, value, old) for here, old in zip(above, field, strict=True)]
    return (moved[0], *map(jnp.where, above[:-1], field[:-1], moved[1:]))
