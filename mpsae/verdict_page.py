"""The verdicts on the contested questions as a Markdown page: the same rows give the same bytes."""

import inspect
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from mpsae.claim import Compare, region
from mpsae.evidence import EQUAL_L0, FEW, MANY, Finding, Study, counts, sentence, strongest
from mpsae.questions import QUESTIONS, Question

SHORT = 6  # a table of up to so many rows is shown unfolded
TESTS = (
    "",
    "test",
    "setting",
    "effect [95 % interval]",
    "holds if",
    "FVU",
    "L0",
    "seeds",
    "experiment, scale",
    "data",
)
SETTINGS = ("setting", "experiment", "holds", "fails", "undecided", "no data")

HEAD = f"""# What the stored rows say about eight contested claims

A sparse autoencoder (SAE) writes a sample as a sum of few atoms of a learned dictionary. Matching pursuit (MP)
chooses these atoms one after the other, each for what the ones before left over; other SAEs choose all at once.
Papers disagree on what that buys. This page judges their claims on the rows stored in this repository.
`mpsae verdict --page` writes it; no number and no verdict on it is written by hand.

* **holds**: the whole 95 % interval over the seeds lies where the claim says. **fails**: none of it does.
  **undecided**: some of it does, half of the seeds have no value, or there are fewer than {FEW}. **no data**: no
  rows are stored for it.
* A **test** asks one number of one SAE, or compares two SAEs in it. **Effect** is the median (where a paper has
  means, the mean) over seeds; of two SAEs, the first one named minus the second on the same seeds. Tests of one
  setting share their runs, so they are not independent of each other.
* **FVU** and **L0** are of the same runs: the share of variance that is not reconstructed, with the word for the
  first SAE named, and the number of atoms used. Where the two L0 differ, so does what the two could afford.
* **Strongest**: farthest from the bound of its claim, in half widths of its interval, among tests of {MANY} seeds or
  more where there are such.
"""


def page(studies: list[Study], place: Path) -> str:
    """The page on all questions, its links relative to the folder that `place` is in."""
    parts = [HEAD, _summary(studies)]
    parts += [_section(question, studies) for question in QUESTIONS.values()]
    parts += ["## Experiments\n", *(_experiment(study, place) for study in studies), _metrics(studies)]
    return "\n".join(parts)


def findings_on(question: str, studies: list[Study]) -> list[Finding]:
    """What all experiments say on one question, in their order."""
    return [finding for study in studies for finding in study.findings[question]]


def cell(text: str) -> str:
    """Text that cannot end its cell, its row or the markup around it."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def table(head: Sequence[str], rows: list[list[str]]) -> str:
    """A Markdown table; every cell is escaped."""
    lines: list[Sequence[str]] = [head, ["---"] * len(head), *([cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _summary(studies: list[Study]) -> str:
    rows = []
    for question in QUESTIONS.values():
        of = counts(findings_on(question.id, studies))
        rows.append([f"[{question.id}](#{question.id.lower()})", question.claim, *map(str, of.values())])
    return table(["", "claim", "holds", "fails", "undecided", "no data"], rows)


def _section(question: Question, studies: list[Study]) -> str:
    found = findings_on(question.id, studies)
    said = sentence(found)
    lines = [
        f"## {question.id}\n",
        f"**{question.claim}**\n",
        f"For: {question.supported_by}  \nAgainst: {question.disputed_by}\n",
        f"**{said[0].upper()}{said[1:]}.**{set_aside(question, studies)}\n",
    ]
    if not found:
        return "\n".join(lines)
    ends = (("for", strongest(found, "holds")), ("against", strongest(found, "fails")))
    lines.append("\n".join(f"* Strongest {side} it: {_in_words(one)}" for side, one in ends) + "\n")
    names = [study.experiment for study in studies if study.findings[question.id]]
    links = ", ".join(f"[{name}](#{name})" for name in names)
    if len(found) <= SHORT:
        lines.append(_long_table(found))
    else:
        lines.append(table(SETTINGS, by_setting(found)))
        lines.append(
            f"<details><summary>All {len(found)} tests</summary>\n\n{_long_table(found)}\n</details>\n"
        )
    lines.append(f"Figures, commands and origin of the rows: {links}.\n")
    return "\n".join(lines)


def set_aside(question: Question, studies: list[Study]) -> str:
    """How many comparisons with the truth say nothing on C3; nothing on other questions."""
    aside = sum(one.unjudged for one in studies)
    if question.id != "C3" or not aside:
        return ""
    return (
        f" Set aside: {aside} test{'s' * (aside > 1)} against a known truth, as neither side reconstructs better"
        f" or the one that does uses over {EQUAL_L0 * 100:g} % more atoms. Nearly all have MP on one side."
    )


def _in_words(finding: Finding | None) -> str:
    if finding is None:
        return "none."
    claim = finding.claim
    seeds = f"{finding.verdict.n} seed{'s' * (finding.verdict.n > 1)}"
    return f"{cell(claim.text)} ({cell(claim.setting)}). `{claim.metric}` {_effect(finding)}, {seeds}."


def by_setting(findings: list[Finding]) -> list[list[str]]:
    """How many findings of each setting hold, fail, are undecided or without data, below `SETTINGS`."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in findings:
        groups.setdefault((one.claim.setting, one.experiment), []).append(one)
    return [[*key, *map(str, counts(group).values())] for key, group in groups.items()]


def _long_table(findings: list[Finding]) -> str:
    return table(TESTS, [in_cells(one) for one in findings])


def in_cells(finding: Finding) -> list[str]:
    """A finding in words and numbers, below `TESTS`."""
    claim, verdict = finding.claim, finding.verdict
    there = finding.status != "no data"
    seeds = f"{verdict.n} of {verdict.n + verdict.missing}" if verdict.missing else f"{verdict.n}"
    return [
        finding.status,
        claim.text,
        claim.setting,
        _effect(finding),
        f"{claim.metric} {_wanted(finding)}",
        _fvu(finding),
        ", ".join(_number(l0) for l0 in finding.l0) if there else "-",
        seeds,
        f"{finding.experiment}, {finding.scale}" if there else finding.experiment,
        ", ".join(finding.data) or "-",
    ]


def _effect(finding: Finding) -> str:
    found = finding.verdict
    if found.value is None:
        return "-"
    return f"{_number(found.value)} [{_number(found.low)}, {_number(found.high)}]"


def _wanted(finding: Finding) -> str:
    claim = finding.claim
    if isinstance(claim, Compare):
        return f"below {0 - claim.margin:g}" if claim.expect == "lower" else f"above {claim.margin:g}"
    low, high = region(claim)
    if claim.low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if claim.high is None else f"{low:g} to {high:g}"


def _fvu(finding: Finding) -> str:
    value, low, high, *_ = finding.fvu
    if value is None or low is None or high is None or not isinstance(finding.claim, Compare):
        return _number(value)
    word = "better" if high < 0 else "worse" if low > 0 else "undecided"
    return f"{_number(value)}, {word}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _experiment(study: Study, place: Path) -> str:
    lines = [f"### {study.experiment}\n", f"{study.question}\n"]
    used = {one.scale for found in study.findings.values() for one in found if one.status != "no data"}
    for scale, stored in study.tables.items():
        if scale not in used:
            continue
        command = f"`mpsae run {study.experiment} --scale {scale}`"
        lines.append(f"* {scale}: {command}; {stored.origin}.")
        figures = sorted((stored.folder / "figures").glob("*.png"))
        links = ", ".join(f"[{path.stem}]({_link(path, place)})" for path in figures)
        lines.append(f"  Figures: {links or 'none stored'}.")
    if not used:
        lines.append(f"Asks none of the eight; its own claims: `mpsae verdict {study.experiment}`.")
    return "\n".join(lines) + "\n"


def _link(path: Path, place: Path) -> str:
    return quote(Path(os.path.relpath(path, place.parent)).as_posix())


def _metrics(studies: list[Study]) -> str:
    """What the metrics named on the page compute, and those their own words name in turn."""
    named = {one.claim.metric for study in studies for found in study.findings.values() for one in found}
    rows = [[f"`{name}`", text] for name, text in computed({*named, "fvu", "l0"}).items()]
    return f"## Metrics\n\n{table(['name', 'computes'], rows)}"


def computed(names: Iterable[str]) -> dict[str, str]:
    """What each metric computes, by name, and those that its own words name in turn."""
    from mpsae.metrics.base import known_metrics
    from mpsae.metrics.curves import overshoot

    functions = {name: formula.function for name, formula in known_metrics().items()}
    functions["curve_steps_overshoot"] = overshoot  # a curve, not a metric of its own
    first = {name: (inspect.getdoc(one) or "").split("\n", 1)[0] for name, one in functions.items()}
    named = set(names)
    named |= {word for name in named for word in re.findall(r"`(\w+)`", first.get(name, "")) if word in first}
    return {name: first.get(name, "see its experiment") for name in sorted(named)}
