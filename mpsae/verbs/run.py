"""`mpsae run NAME`: an experiment from its grid to rows, figures and verdicts."""

import shlex
from pathlib import Path

from mpsae.experiment import SCALES
from mpsae.verbs.arguments import Arguments


def main(argv: list[str]) -> int:
    """Run what is not finished, redraw the figures, print the verdicts."""
    parser = Arguments(prog="mpsae run", description="Run an experiment; finished runs are not run again.")
    parser.add_argument("name", help="an experiment's name (see `mpsae list`) or its .py file")
    parser.add_argument("--scale", choices=SCALES, default="quick", help="smoke < 1 min, quick, full")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for rows and figures")
    parser.add_argument("--no-figures", action="store_true", help="only make the rows")
    chosen = parser.parse_args(argv)

    from mpsae import mesh
    from mpsae.experiment import find, results
    from mpsae.progress import Progress
    from mpsae.verbs import figures, verdict

    mesh.start()
    from mpsae.sweep import sweep

    experiment, progress = find(chosen.name), Progress()
    progress.say(f"{experiment.name} at scale {chosen.scale}: {experiment.cost[chosen.scale]}")
    for note in experiment.notes(chosen.scale):
        progress.say(note)
    sweep(
        experiment.runs(chosen.scale),
        experiment=experiment.name,
        scale=chosen.scale,
        folder=chosen.results / experiment.name / chosen.scale,
        command=f"mpsae run {shlex.join(argv)}",
        bounds=experiment.bounds,
        progress=progress,
    )
    stored = results(experiment.name, chosen.scale, chosen.results)
    if not chosen.no_figures:
        figures.draw(experiment, stored, progress)
    print(verdict.lines(experiment, stored))
    return 0
