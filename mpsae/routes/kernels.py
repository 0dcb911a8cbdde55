"""The GPU kernels as ways; on a CPU they are interpreted, for tests."""

import jax
import jax.numpy as jnp

from mpsae.routes import fused, resident, screened
from mpsae.routes.gram import table
from mpsae.routes.product import product
from mpsae.routes.way import Way


def _interpret() -> bool:
    return jax.default_backend() == "cpu"


# --- fused: screened products whose matrix never exists -------------------------------------------


def _unmasked(rule) -> bool:
    return rule.slices == 1 and rule.on_repeat != "ban"


def _prepare_fused(book, given):
    return screened.Limits.of(book), book.rows.astype(screened.LOW)


def _nothing(book, tables, x):
    return ()


def _pick_fused(book, tables, state, residual, view):
    limits, rows = tables
    low, width = residual.astype(screened.LOW), len(rows)
    count = min(screened.CANDIDATES + 1, width)
    offset = jnp.zeros(width) if book.encoder is None else book.encoder.offset
    score = "magnitude" if view.rule.select == "abs" else "signed"
    found, products = fused.best(
        low, rows, offset, candidates=count, score=score, precision="bfloat16", interpret=_interpret()
    )
    left = view.score(products[:, -1]) if width > screened.CANDIDATES else jnp.full(len(low), -jnp.inf)
    nominated = list(found[:, : screened.CANDIDATES].T)
    rounded = low.astype(residual.dtype)
    slack = screened.rounding(book, 0) * screened.reach(book, limits, residual)
    return screened.decide(book, limits, None, nominated, left, residual, rounded, slack, view)


def _stay(book, tables, state, index, value):
    return ()


# --- resident: all steps at once, then walked -----------------------------------------------------


def _plain(rule) -> bool:
    return rule.slices == 1 and rule.on_repeat != "ban" and rule.select == "relu_max"


def _prepare_resident(book, given):
    return table(book) if given is None else given


def _start_resident(book, tables, x):
    products = book.shifted(product(x, book.rows))
    return products, jnp.zeros((len(x), 1), jnp.int32)
