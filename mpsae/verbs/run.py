"""`mpsae run NAME`: an experiment from its grid to rows, figures and verdicts."""

import argparse
import shlex
from functools import partial
from pathlib import Path

from mpsae.scales import SCALES
from mpsae.verbs.arguments import Arguments, add_checkpoints, add_mesh


def main(argv: list[str]) -> int:
    """Run what is not finished, redraw the figures, print the verdicts."""
    chosen = parsed(argv)

    from mpsae import hosts, mesh, plugin
    from mpsae.experiment import find
    from mpsae.follow import follow
    from mpsae.layout import Layout

    mesh.start()
    experiment = find(chosen.name)
    for path in chosen.plugins:
        plugin.load(path)
    layout = Layout.parse(chosen.mesh) if chosen.mesh else None
    with hosts.joined(chosen.hosts, chosen.host, layout) as leads:
        return _run(experiment, chosen, layout, f"mpsae run {shlex.join(argv)}") if leads else follow(layout)


def parsed(argv: list[str]) -> argparse.Namespace:
    """The options of a command line; exit 2 where they are none."""
    parser = Arguments(prog="mpsae run", description="Run an experiment; finished runs are not run again.")
    parser.add_argument("name", help="an experiment's name (see `mpsae list`) or its .py file")
    parser.add_argument("plugins", nargs="*", metavar="PLUGIN.py", help="files that define SAEs of your own")
    parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="ID[:FIELD=V,...]",
        help="a variant or preset to run beside the experiment's own, as soft or topk:k=3",
    )
    parser.add_argument(
        "--data",
        metavar="PLACE[:FIELD=V,...]",
        help="run on this instead: pairs, from a folder of `mpsae embed` or a .npy, .npz or .safetensors file of"
        " [2, n, dim]; plain rows, from a .npy file of [n, dim]; or a world by its name (see `mpsae list"
        " worlds`); fields as rows.npy:norm=unit,held_out=300 or gap:omission=0.2",
    )
    parser.add_argument("--scale", choices=SCALES, default="quick", help="smoke < 1 min, quick, full")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder for rows and figures")
    parser.add_argument(
        "--part",
        type=_part,
        default=(1, 1),
        metavar="I/N",
        help="do part I of N only, for a job array without shared locks; processes that see each other's locks"
        " share a grid without it",
    )
    add_checkpoints(parser)
    add_mesh(parser)
    parser.add_argument("--no-figures", action="store_true", help="only make the rows")
    return parser.parse_intermixed_args(argv)


def _run(experiment, chosen, layout, command):
    from mpsae import tuning
    from mpsae.experiment import TRIALS, beside, results
    from mpsae.progress import Progress
    from mpsae.rows import load, tidy
    from mpsae.sweep import sweep
    from mpsae.verbs import figures, verdict

    progress = Progress()
    runs = experiment.runs(chosen.scale) if chosen.data is None else _on(experiment, chosen)
    progress.say(f"{experiment.name} at scale {chosen.scale}: {experiment.cost[chosen.scale]}")
    for note in experiment.notes(chosen.scale):
        progress.say(note)
    folder = chosen.results / experiment.name / chosen.scale
    runs += [run for name in chosen.also for run in beside(runs, name)]
    do = partial(
        sweep,
        experiment=experiment.name,
        scale=chosen.scale,
        command=command,
        checkpoint_every=chosen.checkpoint_every,
        allow_older=chosen.allow_older,
        layout=layout,
        progress=progress,
    )
    if experiment.rates:  # never in parts: every part needs all of them
        tried = tuning.trials(runs, experiment.rates)
        ids = do(tried, folder=folder / TRIALS)
        runs = tuning.tuned(runs, tried, ids, tidy(load(folder / TRIALS)))
    do(
        runs,
        folder=folder,
        bounds=experiment.bounds(runs),
        bound_seeds=experiment.bound_seeds,
        share=chosen.part,
    )
    if chosen.part != (1, 1):
        progress.say(
            f"part {chosen.part[0]} of {chosen.part[1]} is done; once all are: mpsae figures, mpsae verdict"
        )
        return 0
    stored = results(experiment.name, chosen.scale, chosen.results)
    if not chosen.no_figures:
        figures.draw(experiment, stored, progress)
    print(verdict.lines(experiment, stored))
    return 0


def _part(text):
    """(1, 2) of "1/2"."""
    first, _, of = text.partition("/")
    if not (first.isdecimal() and of.isdecimal() and 1 <= int(first) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} must be I/N with 1 <= I <= N, as 1/2")
    return int(first), int(of)


def _on(experiment, chosen):
    """The grid on a folder of embeddings, a file or a world that has a name."""
    from mpsae.config import with_fields
    from mpsae.registry import nearest
    from mpsae.source import worlds

    if experiment.on is None:
        raise ValueError(f"--data {chosen.data}: experiment {experiment.name} is about data of its own")
    name, fields = chosen.data, ""
    if "=" in chosen.data.rpartition(":")[2]:
        name, _, fields = chosen.data.rpartition(":")
    there, known = Path(name).exists(), worlds()
    if not there and name not in known:
        raise ValueError(
            f"--data {name}: no such folder or file, and no world is called so:"
            f" known are {', '.join(known)}{nearest(name, known)}"
        )
    ours = {"scenes"} | {taken for world in known.values() for taken in (world.name, world.title)}
    if there and (title := Path(name).stem) in ours:
        raise ValueError(f"--data {name}: figures would call it {title}, as data of ours; rename it")
    source = _stored(name) if there else known[name]
    if fields:
        source = with_fields(source, dict(field.partition("=")[::2] for field in fields.split(",")))
    return experiment.on(source, chosen.scale)


def _stored(path):
    """Plain rows where a .npy file holds a table or a folder has no pairs, else pairs."""
    from mpsae.array_files import table_in_npy
    from mpsae.sources.arrays import Arrays
    from mpsae.sources.embeddings import Embeddings
    from mpsae.store import read

    plain = table_in_npy(path) or (Path(path).is_dir() and not len(read(path, digests=False).pairs))
    return Arrays(path=path) if plain else Embeddings(path=path)
