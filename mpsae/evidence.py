"""What stored rows say about the contested questions, with reconstruction and L0 beside every number."""

import dataclasses
import math
from collections import defaultdict
from pathlib import Path

from mpsae.claim import Claim, Compare, Row, Verdict, judge, reduced, region, sides
from mpsae.experiment import Experiment
from mpsae.intervals import Interval
from mpsae.questions import QUESTIONS
from mpsae.rows import Table, load, tidy
from mpsae.scales import SCALES

STATUS = {"pass": "holds", "fail": "fails", "contested": "undecided"}  # all else is no data
# Metrics against a known truth, their names in a sentence, and which way is nearer to the truth.
RECOVERY = {
    "absorb_cos_codes": ("absorption", "lower"),
    "absorb_cos_own": ("absorption", "lower"),
    "concept_auroc": ("AUROC of known classes", "higher"),
    "f1_argmax": ("F1 of latents", "higher"),
    "f1_hungarian": ("F1 of matched latents", "higher"),
    "f1_truth": ("F1 of true features", "higher"),
    "flat_mse": ("error within levels", "lower"),
    "hier_mse": ("error across levels", "lower"),
    "mcc": ("matched cosine of either sign", "higher"),
    "mcc_signed": ("matched cosine", "higher"),
    "modality_recovery": ("error of the modality scores", "lower"),
}
BESIDE = ("fvu", "l0")
EQUAL_L0 = 0.02  # relative difference of the medians up to which two L0 count as equal
FEW = 3  # with fewer seeds an interval says little
MANY = 5  # with fewer it can be narrow by luck, and no test is called the strongest for that


@dataclasses.dataclass(frozen=True)
class Finding:
    """One claim judged by its interval, and FVU and L0 of the very runs that it is about.

    `status` is holds, fails, undecided or no data. For a `Compare`, `fvu` is the
    difference a - b over the seeds and `l0` has the medians of both sides.
    """

    experiment: str
    scale: str
    claim: Claim | Compare
    verdict: Verdict
    data: tuple[str, ...]
    fvu: Interval
    l0: tuple[float | None, ...]

    @property
    def status(self) -> str:
        """The verdict's status in the words of the page; with fewer than `FEW` seeds nothing is decided."""
        status = STATUS.get(self.verdict.status, "no data")
        return "undecided" if status != "no data" and self.verdict.n < FEW else status

    @property
    def strength(self) -> float:
        """Distance of the effect from the claim's nearest bound, in half widths of its interval; >= 0.

        Infinite where the interval is a point off the bound.
        """
        value, low, high = self.verdict.value, self.verdict.low, self.verdict.high
        if value is None or low is None or high is None:
            return 0.0
        away = min(abs(value - bound) for bound in region(self.claim) if math.isfinite(bound))
        if away < 1e-300:  # the open bound of a comparison is the float next to its margin
            return 0.0
        return away / ((high - low) / 2) if high > low else math.inf


@dataclasses.dataclass(frozen=True)
class Study:
    """What one experiment's stored rows say: its findings by question, and where the rows are from.

    `unjudged` counts the comparisons with a known truth that say nothing on C3, as
    neither side reconstructs better at equal L0. `tables` has the scales with rows.
    """

    experiment: str
    question: str
    findings: dict[str, list[Finding]]
    unjudged: int
    tables: dict[str, "Stored"]


@dataclasses.dataclass(frozen=True)
class Stored:
    """The rows of one scale by metric, the pooled values beside them by run, and their origin."""

    scale: str
    folder: Path
    rows: dict[str, list[Row]]
    pooled: dict[str, dict[str, float | None]]
    origin: str


def study(experiment: Experiment, root: Path, scales: tuple[str, ...] = SCALES) -> Study | None:
    """Judge an experiment's claims that are about a question; None when it has no rows.

    Each claim is judged at its largest scale that has data for it, required
    claims like all others by their interval. C3 is judged on every comparison
    with a known truth, see `reconstruction_question`. Raises ValueError for
    damaged rows and for a claim that mixes configurations.
    """
    wanted = {claim.metric for claim in experiment.claims} | set(BESIDE)
    found = {scale: _read(root / experiment.name / scale, scale, wanted) for scale in reversed(scales)}
    tables = {scale: table for scale, table in found.items() if table}
    if not tables:
        return None
    findings: dict[str, list[Finding]] = {name: [] for name in QUESTIONS}
    unjudged = 0
    for claim in experiment.claims:
        if claim.about:
            findings[claim.about].append(_finding(experiment.name, claim, tables))
        if isinstance(claim, Compare) and claim.metric in RECOVERY:
            here = _finding(experiment.name, claim, tables)
            answer = reconstruction_question(here, tables)
            unjudged += answer is None and here.status != "no data"
            findings["C3"] += [answer] if answer else []
    together = {name: _by_setting(items) for name, items in findings.items()}
    return Study(experiment.name, experiment.question, together, unjudged, tables)


def reconstruction_question(here: Finding, tables: dict[str, Stored]) -> Finding | None:
    """Question C3 on the runs of a `Compare`: does the side that reconstructs better recover better?

    The better side is the one of lower FVU, by the whole interval of the
    difference over the seeds. None where there is none, or where its median L0 is
    above the other's by more than `EQUAL_L0`: what it reconstructs is then bought.
    """
    claim, (a, b), fvu = here.claim, here.l0, here.fvu
    assert isinstance(claim, Compare)
    if fvu.low is None or fvu.high is None or fvu.low <= 0 <= fvu.high:
        return None
    turn = fvu.low > 0
    if a is None or b is None or (b if turn else a) > (1 + EQUAL_L0) * (a if turn else b):
        return None
    first, second = sides(claim, tables[here.scale].rows[claim.metric])
    points = {f"{value}" for row in first.values() for value in row["at"].values()}
    point = f" ({', '.join(sorted(points))})" if points else ""
    measure, expect = RECOVERY[claim.metric]
    better, worse = map(_labels, (second, first) if turn else (first, second))
    turned = Compare(
        text=f"{better} reconstructs better than {worse}: its {measure}{point} is {expect}",
        metric=claim.metric,
        where_a=claim.where_b if turn else claim.where_a,
        where_b=claim.where_a if turn else claim.where_b,
        expect=expect,
        reduce=claim.reduce,
        scales=(here.scale,),
        about="C3",
        setting=claim.setting,
    )
    return _finding(here.experiment, turned, tables)


def counts(findings: list[Finding]) -> dict[str, int]:
    """How many findings there are of each status."""
    return {status: sum(one.status == status for one in findings) for status in (*STATUS.values(), "no data")}


def sentence(findings: list[Finding]) -> str:
    """The counts in words: "holds in 3 of 5 tests, fails in 1, undecided in 1; 2 tests without data"."""
    of = counts(findings)
    judged = len(findings) - of["no data"]
    if not findings:
        return "no evidence yet: no experiment with stored rows tests it"
    if not judged:
        return f"no evidence yet: none of {_tests(len(findings))} has data"
    lost = f"; {_tests(of['no data'])} without data" if of["no data"] else ""
    return f"holds in {of['holds']} of {_tests(judged)}, fails in {of['fails']}, undecided in {of['undecided']}{lost}"


def _tests(n: int) -> str:
    return f"{n} test{'s' * (n != 1)}"


def strongest(findings: list[Finding], status: str) -> Finding | None:
    """The finding of that status whose `strength` is largest, the first of equals; of `MANY` seeds where there is one."""
    of_status = [one for one in findings if one.status == status]
    of_status = [one for one in of_status if one.verdict.n >= MANY] or of_status
    return max(of_status, key=lambda one: one.strength, default=None)


def _finding(experiment: str, claim: Claim | Compare, tables: dict[str, Stored]) -> Finding:
    claim = dataclasses.replace(claim, required=False)
    judged = [(scale, judge(claim, table.rows[claim.metric], scale)) for scale, table in tables.items()]
    with_data = [(scale, verdict) for scale, verdict in judged if verdict.status in STATUS]
    scale, verdict = (with_data or judged)[0]
    stored = tables[scale]
    picked = sides(claim, stored.rows[claim.metric] if with_data else [])
    titles = {row["data"] for side in picked for row in side.values()}
    fvu, l0 = ([_values(side, stored.pooled[name]) for side in picked] for name in BESIDE)
    return Finding(
        experiment=experiment,
        scale=scale,
        claim=claim,
        verdict=verdict,
        data=tuple(sorted(titles)),
        fvu=reduced(fvu, claim.reduce),
        l0=tuple(reduced([side], "median").value for side in l0),
    )


def _values(side: dict[str, Row], pooled: dict[str, float | None]) -> dict[str, float | None]:
    return {seed: pooled.get(row["run"]) for seed, row in side.items()}


def _labels(side: dict[str, Row]) -> str:
    return " and ".join(sorted({row["label"] for row in side.values()}))


def _by_setting(findings: list[Finding]) -> list[Finding]:
    """Findings of one setting next to each other, settings in the order they are first stated."""
    settings = list(dict.fromkeys(one.claim.setting for one in findings))
    return sorted(findings, key=lambda one: settings.index(one.claim.setting))


def _read(folder: Path, scale: str, metrics: set[str]) -> Stored | None:
    table = load(folder)
    if not table.groups:
        return None
    rows: dict[str, list[Row]] = {name: [] for name in sorted(metrics)}
    for row in tidy(_only(table, metrics)):
        rows[row["metric"]].append(row)
    pooled = {name: {row["run"]: row["value"] for row in rows[name] if row["at"] == {}} for name in BESIDE}
    return Stored(scale, folder, rows, pooled, origin(table))


def _only(table: Table, metrics: set[str]) -> Table:
    """The table without the values of other metrics: of half a million, few are judged."""
    groups = [
        dataclasses.replace(group, values=[line for line in group.values if line["metric"] in metrics])
        for group in table.groups
    ]
    return dataclasses.replace(table, groups=groups)


def origin(table: Table) -> str:
    """Which code made the rows and when: "12 runs of commit 0123abc (2026-01-31)", commits by first use."""
    days: dict[str, list[str]] = defaultdict(list)
    for group in table.groups:
        said = group.run["provenance"]
        commit = (said.get("commit") or "unknown")[:7] + (" with changes" if said.get("dirty") else "")
        days[commit].append((said.get("started") or "unknown day")[:10])
    first = sorted(days, key=lambda commit: (min(days[commit]), commit))
    spans = [" to ".join(sorted({min(days[commit]), max(days[commit])})) for commit in first]
    listed = ", ".join(f"{commit} ({span})" for commit, span in zip(first, spans, strict=True))
    return f"{len(table.groups)} runs of commit{'s' * (len(first) > 1)} {listed}"
