"""Gram updates: c = x Eᵀ + o once, then c ← c - v G_i with G = D Eᵀ; k·width operations a row.

Batch-MP: the table costs dim·width² operations once a batch, or nothing where it is given.
"""

import jax.numpy as jnp

from mpsae.largest import first_max
from mpsae.routes.product import gram, product
from mpsae.routes.way import Way


def table(book, low=None):
    """G [width, width], G_ij = d_i·e_j; `low` is the type that the factors are rounded to."""
    out, rows = book.atoms.dtype, book.rows if low is None else book.rows.astype(low)
    return (
        gram(rows, out=out) if book.encoder is None else product(book.atoms.astype(rows.dtype), rows, out=out)
    )


def _prepare(book, given):
    return table(book) if given is None else given


def _start(book, tables, x, rule):
    return (book.shifted(product(x, book.rows)),)


def _pick(book, tables, state, residual, view):
    index = first_max(view(state[0]))
    return index, jnp.take_along_axis(state[0], index[:, None], 1, mode="promise_in_bounds")[:, 0], True


def _advance(book, tables, state, index, value):
    return (state[0] - value[:, None] * tables.at[index].get(mode="promise_in_bounds"),)


WAY = Way(_prepare, _start, _pick, _advance, rows=64)
