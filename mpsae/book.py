"""What a metric rests on, by name, and the values behind the names."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from mpsae.bounds import TooLarge
from mpsae.metrics import base
from mpsae.metrics.base import ABSENT, CONSTANTS, SHARED, STATISTICS, Formula, Value
from mpsae.registry import pick


class Book:
    """Looks up what a formula asks for: statistics, constants, shared values (made once)."""

    def __init__(self, sums: dict[str, np.ndarray], **constants: Any):
        self.known = sums | constants

    def apply(self, formula: Formula) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return formula.function(*(self.get(name) for name in formula.arguments))

    def apply_or_note(self, formula: Formula, *, note: str | None) -> Any:
        """`apply`, or null with the note: the one given, or that of a table that is too large."""
        try:
            return Value(None, note=note) if note else self.apply(formula)
        except TooLarge as error:
            return Value(None, note=str(error))

    def get(self, name: str) -> Any:
        if name not in self.known:
            self.known[name] = self.apply(SHARED[name])
        elif isinstance(self.known[name], partial):
            self.known[name] = self.known[name]()
        return self.known[name]


def closure(arguments: Iterable[str]) -> set[str]:
    """All names that a formula rests on, directly, through shared values or needs of statistics."""
    found: set[str] = set()
    todo = list(arguments)
    while todo:
        name = todo.pop()
        pick(STATISTICS | SHARED | CONSTANTS, name, "argument of a metric")
        if name not in found:
            found.add(name)
            todo += SHARED[name].arguments if name in SHARED else ()
            todo += before(name)
    return found


def before(name: str) -> list[str]:
    """What must be known before a statistic is made: the matching, the shared values it reads."""
    needs = STATISTICS[name].needs if name in STATISTICS else ()
    return [need for need in needs if need in SHARED] + ["match"] * ("truth" in needs)


def _needs(name: str) -> set[str]:
    """What a value cannot do without: keys of `base.ABSENT`."""
    if name in base.NEEDS:
        return {base.NEEDS[name]}
    return set(STATISTICS[name].needs) & set(ABSENT) if name in STATISTICS else set()


def absent(arguments: Iterable[str], lacks: set[str]) -> str | None:
    """Why a metric cannot be had, or None."""
    needs = set().union(*map(_needs, closure(arguments)))
    return next((why for name, why in ABSENT.items() if name in needs & lacks), None)
