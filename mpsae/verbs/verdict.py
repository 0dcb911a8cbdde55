"""`mpsae verdict NAME`: one line per claim of an experiment, judged from stored rows."""

from pathlib import Path

from mpsae.claim import Verdict, judge, verdict_lines
from mpsae.experiment import Experiment, Results, find, results
from mpsae.scales import SCALES
from mpsae.verbs.arguments import Arguments


def main(argv: list[str]) -> int:
    """Print the verdicts; 1 if a required number is missed, else 0."""
    parser = Arguments(prog="mpsae verdict", description="What the rows say about each claim.")
    parser.add_argument("name", help="an experiment's name or its .py file")
    parser.add_argument("--scale", choices=SCALES, help="default: the largest scale that has rows")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of rows")
    chosen = parser.parse_args(argv)
    experiment = find(chosen.name)
    stored = results(experiment.name, chosen.scale, chosen.results)
    print(lines(experiment, stored))
    return int(
        any(one.required and one.status not in ("pass", NOT_HERE) for one in verdicts(experiment, stored))
    )


NOT_HERE = "not judged at this scale"


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
