"""What a way to find the next atom consists of."""

from collections.abc import Callable
from typing import Any, NamedTuple

from mpsae.routes.rule import Rule


def _every(rule: Rule) -> bool:
    return True


class Way(NamedTuple):
    """Four functions that the walk calls; `view` maps products to scores (sign, bans, slices).

    prepare(book, gram) -> tables, once a batch, `gram` as the caller gave it or None;
    start(book, tables, x, rule) -> state, a tuple of [batch, ...] arrays;
    pick(book, tables, state, residual, view) -> (index, product, sure), each [batch];
    advance(book, tables, state, index, value) -> state after r ← r - value·d_index.
    serves(rule): whether the way can follow it.
    certain: whether every choice is by exact products. `sure` is False where the choice of a row is
    not certified; a way that is not certain has such rows walked again by one that is.
    rows: how many are walked together at least; what updates a table in cache wants few, products
    made anew many.
    """

    prepare: Callable[..., Any]
    start: Callable[..., tuple]
    pick: Callable[..., tuple]
    advance: Callable[..., tuple]
    serves: Callable[[Rule], bool] = _every
    certain: bool = True
    rows: int = 512
