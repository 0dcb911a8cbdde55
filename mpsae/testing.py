"""For authors of variants: does mine keep the contract?"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from mpsae.conformance import codes, decoding, form, freezing, shapes, training
from mpsae.conformance.case import Broken, example, explain
from mpsae.sae import SAE

__all__ = ["CHECKS", "Finding", "assert_sae", "check_sae", "example", "findings"]

# In this order: what later checks rely on comes first.
CHECKS: dict[str, Callable[[SAE], None]] = {
    "fields": form.fields,
    "source": form.source,
    "round_trip": form.round_trip,
    "init": shapes.init,
    "code": shapes.code,
    "step_shapes": training.step_shapes,
    "finite": codes.finiteness,
    "sparsity": codes.sparsity,
    "rows": codes.rows,
    "repeatable": codes.repeatable,
    "exchangeable": codes.exchangeable,
    "compiled": codes.compiled,
    "steps": codes.steps,
    "nested": codes.nested,
    "true_atoms": codes.true_atoms,
    "decode": decoding.decode,
    "decode_gradient": decoding.decode_gradient,
    "mean_loss": training.mean_loss,
    "gradients": training.gradients,
    "projection": training.projection,
    "one_compile": training.one_compile,
    "stacked": training.stacked,
    "promotion": shapes.promotion,
    "bfloat16": shapes.bfloat16,
    "freezes": freezing.freezes,
    "saves": freezing.saves,
    "learns": training.learns,
}
FIRST = ("build", "init", "code", "step_shapes")  # nothing after them means much if they fail
SLOW = ("stacked", "bfloat16", "learns")


class Finding(NamedTuple):
    """What one check found: its name, a sentence if the variant fails it, and how long it took."""

    check: str
    problem: str | None
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the variant passed."""
        return self.problem is None


def findings(variant: type[SAE] | SAE, *, quick: bool = False) -> Iterator[Finding]:
    """One finding per check, as they are made; none after one of `FIRST` failed.

    A class is built with its defaults, `k` set to 4 if it does not fit the tiny problem
    (dim 16, width 24); pass an instance to check other hyperparameters. `quick` leaves out
    the checks in `SLOW`.
    """
    began = time.monotonic()
    try:
        sae = example(variant)
    except Broken as broken:
        yield Finding("build", str(broken), time.monotonic() - began)
        return
    except Exception as error:
        yield Finding("build", explain(error), time.monotonic() - began)
        return
    for name, check in CHECKS.items():
        if quick and name in SLOW:
            continue
        began, problem = time.monotonic(), None
        try:
            check(sae)
        except Broken as broken:
            problem = str(broken)
        yield Finding(name, problem, time.monotonic() - began)
        if problem and name in FIRST:
            return


def check_sae(variant: type[SAE] | SAE, *, quick: bool = False) -> list[Finding]:
    """All findings about a variant or an instance of one; it keeps the contract if all are `ok`."""
    return list(findings(variant, quick=quick))


def assert_sae(variant: type[SAE] | SAE, *, quick: bool = False) -> None:
    """`check_sae` for use in a test: AssertionError with one line per failed check."""
    failed = [finding for finding in check_sae(variant, quick=quick) if not finding.ok]
    if failed:
        name = variant.name
        raise AssertionError("\n".join(f"{name}: {f.check}: {f.problem}" for f in failed))
