"""`mpsae verdict`: what stored rows say about the contested questions; with a name, about an experiment's claims."""

import argparse
from pathlib import Path

from mpsae.claim import Verdict, judge, verdict_lines
from mpsae.experiment import Experiment, Results, find, known, results
from mpsae.scales import SCALES
from mpsae.verbs.arguments import Arguments

NOT_HERE = "not judged at this scale"
PAGE = "VERDICTS.md"


def main(argv: list[str]) -> int:
    """Print the verdicts; 1 if a required number of a named experiment is missed, else 0."""
    parser = Arguments(
        prog="mpsae verdict",
        description="What the rows say: about the contested questions, or with a NAME about each of its claims.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        help="an experiment's name or its .py file; without one, all experiments that have rows",
    )
    parser.add_argument("--scale", choices=SCALES, help="default: the largest scale that has rows")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of rows")
    parser.add_argument(
        "--page", type=Path, nargs="?", const=Path(), metavar="PAGE.md",
        help=f"also write the questions as a Markdown page; default {PAGE} in the folder of rows",
    )  # fmt: skip
    chosen = parser.parse_args(argv)
    if chosen.name is None:
        return _questions(chosen)
    if chosen.page is not None:
        raise ValueError(f"--page is about all experiments: leave out {chosen.name}")
    experiment = find(chosen.name)
    stored = results(experiment.name, chosen.scale, chosen.results)
    print(lines(experiment, stored))
    return int(
        any(one.required and one.status not in ("pass", NOT_HERE) for one in verdicts(experiment, stored))
    )


def verdicts(experiment: Experiment, stored: Results) -> list[Verdict]:
    """Each claim's verdict, in the order they are stated."""
    return [judge(claim, stored.rows, stored.scale) for claim in experiment.claims]


def lines(experiment: Experiment, stored: Results) -> str:
    """The verdicts as text, below the question they answer."""
    head = f"{experiment.name} at scale {stored.scale}: {experiment.question}"
    judged = verdicts(experiment, stored)
    shown = [one for one in judged if one.status != NOT_HERE]
    if len(shown) == len(judged):
        return f"{head}\n{verdict_lines(shown)}"
    left = f"{len(judged) - len(shown)} of {len(judged)} claims are not judged at scale {stored.scale}"
    return "\n".join([head, verdict_lines(shown), left] if shown else [head, left])


def _questions(chosen: argparse.Namespace) -> int:
    """Print one paragraph per contested question, and write the page if it is asked for."""
    from mpsae.evidence import sentence, study
    from mpsae.files import write_text
    from mpsae.questions import QUESTIONS
    from mpsae.verdict_page import findings_on, page

    place = chosen.results / PAGE if chosen.page == Path() else chosen.page
    if place is not None and place.suffix != ".md":
        raise ValueError(f"--page {place}: the name of a Markdown page ends in .md")
    scales = (chosen.scale,) if chosen.scale else SCALES
    found = [study(find(name), chosen.results, scales) for name in sorted(known())]
    studies = [one for one in found if one is not None]
    if not studies:
        at = f" at scale {chosen.scale}" if chosen.scale else ""
        raise ValueError(f"no results in {chosen.results}{at}: run `mpsae run hierarchy --scale quick` first")
    for question in QUESTIONS.values():
        print(f"{question.id}  {question.claim}\n    {sentence(findings_on(question.id, studies))}")
    print(f"from the rows of {', '.join(one.experiment for one in studies)}")
    if place is None:
        print(
            "`mpsae verdict --page` writes the comparisons as a page, `mpsae verdict NAME` lists an experiment's"
        )
    else:
        write_text(place, page(studies, place))
        print(f"page {place}")
    return 0
