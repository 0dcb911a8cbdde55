"""The GPU kernels as ways; on a CPU they are interpreted, for tests."""

import jax
import jax.numpy as jnp

from mpsae.routes import fused, gram, resident, screened
from mpsae.routes.product import product


def _interpret() -> bool:
    return jax.default_backend() == "cpu"


# --- fused: screened products whose matrix never exists -------------------------------------------


def _unmasked(rule) -> bool:
    return rule.slices == 1 and rule.on_repeat != "ban"


def _pick_fused(book, tables, state, residual, view):
    limits, rows = tables
    low, width = residual.astype(screened.LOW), len(rows)
    offset = jnp.zeros(width) if book.encoder is None else book.encoder.offset
    score = "magnitude" if view.rule.select == "abs" else "signed"
    count = min(screened.CANDIDATES + 1, width)
    found, products = fused.best(
        low, rows, offset, candidates=count, score=score, precision="bfloat16", interpret=_interpret()
    )
    all_named = width <= screened.CANDIDATES
    left = jnp.full(len(low), -jnp.inf) if all_named else view.score(products[:, -1])
    nominated = list(found[:, : screened.CANDIDATES].T)
    rounded, slack = low.astype(residual.dtype), screened.anew_slack(book, limits, residual)
    return screened.decide(book, limits, None, nominated, left, residual, rounded, slack, view)


# --- resident: all steps in one kernel, then walked -----------------------------------------------


def _plain(rule) -> bool:
    return _unmasked(rule) and rule.select == "relu_max"


def _start_resident(book, tables, x, rule):
    """The whole path of every row; the walk then ends rows early and follows the residual."""
    products = book.shifted(product(x, book.rows))
    indices, values = resident.pursue(products, tables, k=rule.k, interpret=_interpret())
    return indices, values, jnp.zeros((len(x), 1), jnp.int32)


def _pick_resident(book, tables, state, residual, view):
    indices, values, step = state
    index, value = (jnp.take_along_axis(part, step, axis=1)[:, 0] for part in (indices, values))
    return index, value, True


def _advance_resident(book, tables, state, index, value):
    return *state[:2], state[2] + 1


FUSED = screened.ANEW._replace(pick=_pick_fused, serves=_unmasked)
RESIDENT = gram.WAY._replace(
    start=_start_resident, pick=_pick_resident, advance=_advance_resident, serves=_plain
)
