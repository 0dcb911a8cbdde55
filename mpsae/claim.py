"""An expectation as data, and what the rows say about it."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

from mpsae.canonical import canonical
from mpsae.intervals import Interval, interval, paired_difference, unpaired_difference
from mpsae.questions import QUESTIONS
from mpsae.registry import pick

SCALES = ("quick", "full")
EXPECT = ("lower", "higher")
REDUCE = ("median", "mean")

Row = dict[str, Any]
Where = Callable[[Row], bool]


@dataclasses.dataclass(frozen=True)
class Claim:
    """`metric`, reduced over the seeds of the rows that `where` picks, is in [low, high].

    A bound that is None is open. `source` says where the numbers come from
    ("paper Table 1", "measured"); `required` marks a number the project has to
    reach; `scales` are those at which it is meant to hold. `where` must pick one
    row per seed: pin variant, fields, `at` and split. `about` is the contested
    question (see `questions`) that the claim bears on, in the question's own
    direction: what passes is evidence for it. `setting` says where, in a few
    words. Raises ValueError when there is no bound, low > high, or `reduce` or
    `about` is unknown.
    """

    text: str
    metric: str
    where: Where
    low: float | None = None
    high: float | None = None
    source: str = "measured"
    required: bool = False
    reduce: str = "median"
    scales: tuple[str, ...] = SCALES
    about: str = ""
    setting: str = ""

    def __post_init__(self):
        _check(self.reduce, REDUCE, "reduce")
        _check_about(self)
        if self.low is None and self.high is None:
            raise ValueError(f"claim {self.text!r}: give low, high or both")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"claim {self.text!r}: low = {self.low} is above high = {self.high}")


@dataclasses.dataclass(frozen=True)
class Compare:
    """`metric` of rows a is lower (or higher) than that of rows b by more than `margin`.

    Judged on the difference a - b per shared seed; when the two sides share no
    seed, on the difference of their medians. `margin >= 0` is in units of the
    metric. The rest is as in `Claim`.
    """

    text: str
    metric: str
    where_a: Where
    where_b: Where
    expect: str
    margin: float = 0.0
    source: str = "measured"
    required: bool = False
    reduce: str = "median"
    scales: tuple[str, ...] = SCALES
    about: str = ""
    setting: str = ""

    def __post_init__(self):
        _check(self.expect, EXPECT, "expect")
        _check(self.reduce, REDUCE, "reduce")
        _check_about(self)
        if not self.margin >= 0:
            raise ValueError(f"claim {self.text!r}: margin = {self.margin} must be at least 0")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the rows say about one claim: a status, the number and its 95 % interval.

    For a `Compare` the numbers are the difference a - b. `n` seeds had a value,
    `missing` had none (diverged, undefined, or without partner). `status` is one
    of pass, fail, contested, no data, not judged at this scale; see `judge`.
    """

    status: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int
    text: str
    expectation: str
    required: bool


def judge(claim: Claim | Compare, rows: Iterable[Row], scale: str) -> Verdict:
    """The verdict of the tidy rows of one scale on a claim.

    With v the median over seeds, [a, b] its interval and R the expected region
    (closed for a `Claim`; open at the margin for a `Compare`, so equal is not
    lower):

    * not judged at this scale: `scale` is not among the claim's;
    * no data: no row picked, or none with a value;
    * required claims: pass when v is in R, else fail, as these are stated for medians;
    * other claims: pass when v and all of [a, b] are in R, fail when neither v nor
      any point of [a, b] is in R, contested in between;
    * what would pass is contested when at least half of the seeds have no value.

    With one seed [a, b] is a point, so nothing but its value is judged. Raises
    ValueError when `where` picks two rows of one seed: it mixes configurations.
    """
    mine = [row for row in rows if row["metric"] == claim.metric and row["scale"] == scale]
    if scale not in claim.scales:
        return _verdict(claim, "not judged at this scale", Interval(None, None, None, 0, 0))
    found = reduced([_values(side) for side in sides(claim, mine)], claim.reduce)
    return _verdict(claim, _status(claim, found), found)


def sides(claim: Claim | Compare, rows: Iterable[Row]) -> list[dict[str, Row]]:
    """Per seed the row that `where` picks, or those that `where_a` and `where_b` do.

    Raises ValueError when two rows of one seed are picked.
    """
    wheres = [claim.where] if isinstance(claim, Claim) else [claim.where_a, claim.where_b]
    given = list(rows)
    return [_by_seed(claim, where, given) for where in wheres]


def reduced(values: list[dict[str, float | None]], reduce: str) -> Interval:
    """The statistic of one side over its seeds, or of a - b over two; its interval."""
    if len(values) == 1:
        return interval(values[0].values(), reduce=reduce)
    a, b = values
    if a.keys() & b.keys():
        return paired_difference(a, b, reduce=reduce)
    return unpaired_difference(a.values(), b.values(), reduce=reduce)


def verdict_lines(verdicts: Iterable[Verdict]) -> str:
    """One aligned line per verdict: status, value [interval], seeds, expectation, claim."""
    cells = [
        (v.status, _number(v), _seeds(v), v.expectation + (", required" if v.required else ""), v.text)
        for v in verdicts
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)
    return "\n".join(lines)


def _by_seed(claim: Claim | Compare, where: Where, rows: list[Row]) -> dict[str, Row]:
    picked: dict[str, Row] = {}
    for row in filter(where, rows):
        seed = canonical(row["seed"])
        if seed in picked:
            first = picked[seed]
            raise ValueError(
                f"claim {claim.text!r} picks two rows of seed {seed}:"
                f" {_place(first)} and {_place(row)}; narrow its where"
            )
        picked[seed] = row
    # An interval's draws are by place: without an order of seeds it would depend on the order of the rows.
    return dict(sorted(picked.items(), key=lambda one: sorted(one[1]["seed"].items())))


def _values(side: dict[str, Row]) -> dict[str, float | None]:
    return {seed: row["value"] for seed, row in side.items()}


def _place(row: Row) -> str:
    return f"run {row['run']} at {row['at']} ({row['variant']}, {row['split']})"


def region(claim: Claim | Compare) -> tuple[float, float]:
    """The least and the largest value that meets the claim."""
    if isinstance(claim, Claim):
        low = -math.inf if claim.low is None else claim.low
        return low, math.inf if claim.high is None else claim.high
    if claim.expect == "lower":  # the margin itself is not lower
        return -math.inf, math.nextafter(-claim.margin, -math.inf)
    return math.nextafter(claim.margin, math.inf), math.inf


def _status(claim: Claim | Compare, found: Interval) -> str:
    if found.value is None or found.low is None or found.high is None:
        return "no data"
    low, high = region(claim)
    met = low <= found.value <= high
    if claim.required:
        status = "pass" if met else "fail"
    elif met and low <= found.low and found.high <= high:
        status = "pass"
    else:
        overlap = max(low, found.low) <= min(high, found.high)
        status = "contested" if met or overlap else "fail"
    return "contested" if status == "pass" and found.missing >= found.n else status


def _verdict(claim: Claim | Compare, status: str, found: Interval) -> Verdict:
    return Verdict(
        status=status,
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        missing=found.missing,
        text=claim.text,
        expectation=_expectation(claim),
        required=claim.required,
    )


def _expectation(claim: Claim | Compare) -> str:
    if isinstance(claim, Compare):
        by = f" by more than {claim.margin:g}" if claim.margin else ""
        return f"a {claim.expect} than b{by} ({claim.source})"
    if claim.low is None:
        return f"at most {claim.high:g} ({claim.source})"
    if claim.high is None:
        return f"at least {claim.low:g} ({claim.source})"
    return f"{claim.low:g} to {claim.high:g} ({claim.source})"


def _number(verdict: Verdict) -> str:
    if verdict.n == 0:
        return "-"
    return f"{verdict.value:.4g} [{verdict.low:.4g}, {verdict.high:.4g}]"


def _seeds(verdict: Verdict) -> str:
    if verdict.missing:
        return f"{verdict.n} of {verdict.n + verdict.missing} seeds"
    return f"{verdict.n} seed{'s' * (verdict.n != 1)}"


def _check_about(claim: Claim | Compare) -> None:
    if claim.about:
        pick(QUESTIONS, claim.about, f"question of claim {claim.text!r}:")


def _check(value: str, allowed: Iterable[str], what: str) -> None:
    if value not in allowed:
        raise ValueError(f"claim: {what} = {value!r} must be one of {', '.join(allowed)}")
