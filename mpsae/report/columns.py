"""Which numbers the tables of the report offer, under headings; the rows hold many more."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mpsae.evidence import RECOVERY

At = dict[str, Any]


class Column(NamedTuple):
    """One number of a run: a metric, at a point of it where it has several."""

    metric: str
    point: str = ""

    @property
    def name(self) -> str:
        """What the head of the column says."""
        return f"{self.metric} {self.point}".strip()


TRUTH = "Recovery of a known truth"
FIRST = ("mcc_signed", "concept_auroc")  # of the metrics against a truth

# Heading -> metrics. A metric of several points brings those that `POINTS` asks for.
MAIN: dict[str, tuple[str, ...]] = {
    "L0 and reconstruction": ("l0", "fvu", "ev", "nmse", "shrinkage"),
    TRUTH: (*FIRST, *sorted(RECOVERY.keys() - set(FIRST)), "uniqueness", "hedging"),
    "Use of the latents": ("dead_frac", "dense_frac", "hoyer", "connectivity"),
    "Geometry": ("coherence", "mean_max_cos", "eff_rank_dict", "stable_rank"),
    "Several runs": ("stability",),
    "Images and texts": ("energy_bimodal", "probe_auc_best", "gap_xhat", "rho", "bridge_inner", "mms"),
    "More atoms at inference": ("curve_steps_overshoot", "curve_largest_overshoot"),
}
POINTS: dict[str, dict[str, tuple[str, ...]]] = {
    "concept_auroc": {"side": ("both", "rows")}
}  # pairs, plain rows
SHOWN = (
    "mcc_signed",
    "f1_hungarian",
    "hier_mse",
    "absorb_cos_codes",
    "energy_bimodal",
    "stability",
    "dead_frac",
)
ALWAYS = ("l0", "fvu")


def column(metric: str, at: At) -> Column | None:
    """The column a value belongs to; None where the report offers none."""
    asked = POINTS.get(metric, {})
    wanted = all(at.get(key) in allowed for key, allowed in asked.items())
    if metric not in _HEADINGS or not wanted or (at and not asked):
        return None
    return Column(metric, ", ".join(f"{at[key]}" for key in sorted(at.keys() - asked.keys())))


def heading(one: Column) -> str:
    """The heading a column stands under."""
    return _HEADINGS[one.metric]


def ordered(columns: set[Column]) -> list[Column]:
    """Columns in the order of `MAIN`, the points of one metric by name."""
    places = list(_HEADINGS)
    return sorted(columns, key=lambda one: (places.index(one.metric), one.point))


def pinned(columns: Sequence[Column], lines: Iterable[Sequence[Any]]) -> set[Column]:
    """The columns no choice removes: L0, FVU and for every line the first against a truth that it has.

    `lines` are values below `columns`, None where a line has none.
    """
    kept = {one for one in columns if one.metric in ALWAYS}
    for values in lines:
        known = (one for one, value in zip(columns, values, strict=True) if value and heading(one) == TRUTH)
        kept |= set(itertools.islice(known, 1))
    return kept


_HEADINGS = {metric: name for name, metrics in MAIN.items() for metric in metrics}
