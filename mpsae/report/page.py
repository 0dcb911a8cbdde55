"""The whole page: template, style and scripts around what the rows say. The same rows give the same bytes."""

import dataclasses
from typing import Any

from mpsae.evidence import FEW, MANY, Finding, Study, counts, sentence, strongest
from mpsae.intervals import Interval
from mpsae.questions import QUESTIONS, Question
from mpsae.report.assets import packed, render
from mpsae.report.assets import text as asset
from mpsae.report.columns import SHOWN, TRUTH, heading, pinned
from mpsae.report.picture import Picture
from mpsae.report.sheet import Line, Sheet, shown, text
from mpsae.verdict_page import SETTINGS, SHORT, TESTS, by_setting, computed, findings_on, in_cells, set_aside

LEAD = ("hierarchy", "fig4bc recovery")  # the figure on the first screen; without it, the first there is
PACKAGE = "mpsae.report"
SCRIPTS = (
    "theme.js",
    "sorting.js",
    "tables.js",
    "rows.js",
    "zoom.js",
)  # the first runs before anything is drawn


@dataclasses.dataclass(frozen=True)
class Chapter:
    """What the report shows of one experiment at one scale."""

    sheet: Sheet
    facts: dict[str, str]
    pictures: tuple[Picture, ...]

    @property
    def name(self) -> str:
        """Experiment and scale, as an anchor."""
        return f"{self.sheet.experiment}-{self.sheet.scale}"


@dataclasses.dataclass(frozen=True)
class Answer:
    """One contested claim and all that the rows say about it, ready to be shown."""

    question: Question
    counts: dict[str, int]
    sentence: str
    aside: str
    ends: tuple[tuple[str, list[str] | None], ...]
    settings: list[list[str]]
    tests: list[list[str]]


def page(studies: list[Study], chapters: list[Chapter]) -> str:
    """The HTML of the report. Text from the rows is escaped wherever it goes."""
    answers = [
        _answer(question, findings_on(question.id, studies), studies) for question in QUESTIONS.values()
    ]
    metrics = {one.metric for chapter in chapters for one in chapter.sheet.columns}
    metrics |= {one.claim.metric for study in studies for found in study.findings.values() for one in found}
    values = {
        "answers": answers,
        "total": {name: sum(one.counts[name] for one in answers) for name in answers[0].counts},
        "runs": sum(line.seeds for chapter in chapters for line in chapter.sheet.lines),
        "studies": [
            (study, [one for one in chapters if one.sheet.experiment == study.experiment])
            for study in studies
        ],
        "lead": _lead(chapters),
        "metrics": computed(metrics),
        "rows": packed([_sheet(chapter) for chapter in chapters]),
        "tests_head": TESTS,
        "settings_head": SETTINGS,
        "short": SHORT,
        "few": FEW,
        "many": MANY,
    }
    scripts = [asset(PACKAGE, name) for name in SCRIPTS]
    return render(PACKAGE, values, style=asset(PACKAGE, "page.css"), scripts=scripts)


def _answer(question: Question, found: list[Finding], studies: list[Study]) -> Answer:
    ends = (("for", strongest(found, "holds")), ("against", strongest(found, "fails")))
    said = sentence(found)
    return Answer(
        question=question,
        counts=counts(found),
        sentence=f"{said[0].upper()}{said[1:]}.",
        aside=set_aside(question, studies).strip(),
        ends=tuple((side, None if one is None else in_cells(one)) for side, one in ends),
        settings=by_setting(found),
        tests=[in_cells(one) for one in found],
    )


def _lead(chapters: list[Chapter]) -> tuple[Chapter, Picture] | None:
    """The figure of the first screen and where it is from; None where there are no figures."""
    there = [(chapter, picture) for chapter in chapters for picture in chapter.pictures]
    wanted = [one for one in there if (one[0].sheet.experiment, one[1].name) == LEAD]
    return next(iter([*wanted, *there]), None)


def _sheet(chapter: Chapter) -> dict[str, Any]:
    sheet = chapter.sheet
    always = pinned(sheet.columns, [line.values for line in sheet.lines])
    return {
        "name": f"{sheet.experiment}, {sheet.scale}",
        "columns": [
            {
                "name": one.name,
                "metric": one.metric,
                "heading": heading(one),
                "always": one in always,
                "shown": one in always or one.metric in SHOWN and not one.point,
            }
            for one in sheet.columns
        ],
        "truth": any(heading(one) == TRUTH for one in always),
        "lines": [_line(line, sheet) for line in sheet.lines],
    }


def _line(line: Line, sheet: Sheet) -> dict[str, Any]:
    kind = line.kind
    return {
        "sae": kind.sae,
        "data": kind.data,
        "world": {name: shown(value) for name, value in kind.world.items()},
        "setting": text(kind.world | kind.own),
        "seeds": line.seeds,
        "values": [None if one is None or one.value is None else _numbers(one) for one in line.values],
    }


def _numbers(one: Interval) -> list[float]:
    """[median, low, high], and the number of values where some seeds have none."""
    rounded = [float(f"{number:.4g}") for number in (one.value, one.low, one.high)]
    return [*rounded, one.n] if one.missing else rounded
