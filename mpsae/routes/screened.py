"""Screening: products of factors rounded to bfloat16 nominate atoms, exact products decide.

With rounded rows ê = e - ε and a screen that stands for a rounded residual r̂, every true product
differs from the screened one by (r - r̂)·ê + r·ε, at most

    ‖r - r̂‖ max‖ê‖ + ‖r‖ max‖ε‖ + rounding of the sums.

All of it is known at every step, because r̂ is carried beside r. A choice is certified where the best
exact product among the nominated atoms is larger than the best screened product left over plus this
bound. It holds for both forms: products anew at every step (r̂ is r rounded), and Gram updates
(r̂ = x̂ - Σ v d̂, since Σ v d̂_i·ê_j is what the rounded table subtracts).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from mpsae.largest import best
from mpsae.norms import sizes
from mpsae.routes.gram import table
from mpsae.routes.product import product
from mpsae.routes.residual import WAY as EXACT
from mpsae.routes.way import Way

LOW = jnp.bfloat16
CANDIDATES = 6  # the m-th gap of a row is rarely below the bound; each candidate costs a row product


def _rounded(rows):
    return rows.astype(LOW).astype(rows.dtype)


class Limits(NamedTuple):
    """Of a dictionary: the longest ê, the longest ε = e - ê, the longest d and the largest |o|."""

    rounded: Array
    error: Array
    atom: Array
    offset: Array

    @classmethod
    def of(cls, book):
        """From the rows that decide and the atoms that are subtracted."""
        low = _rounded(book.rows)
        offset = jnp.zeros(1) if book.encoder is None else jnp.abs(book.encoder.offset)
        longest = (_length(part).max() for part in (low, book.rows - low, book.atoms))
        return cls(*longest, offset.max())


def _length(rows):
    """‖row‖ or a little more: a square that underflows is counted as the largest that does."""
    return sizes(rows) + (rows.shape[1] * float(jnp.finfo(rows.dtype).tiny)) ** 0.5


def _bound(limits, residual, rounded, slack):
    """How far a screened product may be from the true one, per row."""
    return _length(residual - rounded) * limits.rounded + _length(residual) * limits.error + slack


def decide(book, limits, seen, nominated, left, residual, rounded, slack, view):
    """(index, product, sure): the best of the nominated atoms by exact products.

    left: the best screened score not nominated; seen: all of them, where the view hides some;
    rounded: the r̂ they stand for; slack: rounding of their sums.
    """
    index, value = nominated[0], book.weigh(residual, nominated[0])
    top = view.rate(seen, index, value)
    for other in nominated[1:]:
        weight = book.weigh(residual, other)
        rate = view.rate(seen, other, weight)
        better = (rate > top) | ((rate == top) & (other < index))
        index, value, top = (
            jnp.where(better, new, old) for new, old in ((other, index), (weight, value), (rate, top))
        )
    bound = _bound(limits, residual, rounded, slack)
    # Negated, so that a row of NaN counts as certified: no walk makes it better.
    return index, value, ~(top <= left + bound) | (left == -jnp.inf)


def anew_slack(book, limits, residual):
    """Rounding of products made anew from this residual."""
    return _slack(book, limits, _length(residual), 0)


def _slack(book, limits, mass, steps):
    """Rounding of a sum of `dim` products, of lengths `mass` and ‖ê‖, plus o, then updated `steps` times."""
    sums = (book.atoms.shape[1] + 2 * steps) * mass * limits.rounded
    return (sums + (1 + steps) * limits.offset) * (jnp.finfo(book.atoms.dtype).eps / 2)


# --- products anew at every step ------------------------------------------------------------------


def _prepare_anew(book, gram):
    return Limits.of(book), book.rows.astype(LOW)


def _pick_anew(book, tables, state, residual, view):
    limits, rows = tables
    low = residual.astype(LOW)
    scores = book.shifted(product(low, rows, out=residual.dtype))
    seen = view(scores)
    nominated, left = best(seen, min(CANDIDATES, len(rows)))
    rounded, slack = low.astype(residual.dtype), anew_slack(book, limits, residual)
    return decide(book, limits, seen, nominated, left, residual, rounded, slack, view)


# --- updates by the rounded Gram matrix -----------------------------------------------------------


def _prepare_updated(book, gram):
    return Limits.of(book), table(book, LOW)


def _start_updated(book, tables, x, rule):
    low = x.astype(LOW)
    scores = book.shifted(product(low, book.rows.astype(LOW), out=x.dtype))
    return scores, low.astype(x.dtype), sizes(x)[:, None]


def _pick_updated(book, tables, state, residual, view):
    limits, _ = tables
    scores, rounded, mass = state
    slack = _slack(book, limits, mass[:, 0], view.steps)
    seen = view(scores)
    nominated, left = best(seen, min(CANDIDATES, seen.shape[1]))
    return decide(book, limits, seen, nominated, left, residual, rounded, slack, view)


def _advance_updated(book, tables, state, index, value):
    (limits, gram), (scores, rounded, mass) = tables, state
    value = value[:, None]
    scores = scores - value * gram.at[index].get(mode="promise_in_bounds")
    rounded = rounded - value * _rounded(book.atoms.at[index].get(mode="promise_in_bounds"))
    return scores, rounded, mass + jnp.abs(value) * limits.atom


ANEW = EXACT._replace(prepare=_prepare_anew, pick=_pick_anew, certain=False)
UPDATED = Way(_prepare_updated, _start_updated, _pick_updated, _advance_updated, certain=False, rows=64)
