"""`mpsae train`: one SAE on one source, saved as a folder, its scores as rows."""

import contextlib
import dataclasses
import io
import re
import shlex
from pathlib import Path
from typing import Annotated, Any, Union

from mpsae.verbs.arguments import (
    ALLOW_OLDER,
    CHECKPOINT_EVERY,
    HOST,
    HOSTS,
    MESH,
    Arguments,
    add_checkpoints,
    add_mesh,
)

HELP = """usage: mpsae train [PLUGIN.py ...] [CONFIG.json] [OPTIONS] sae:ID [--sae.FIELD V] source:ID [--source.FIELD V]

Train one SAE, score it on held-out rows, save it. `mpsae list` names the ids; presets are ids too.
PLUGIN.py defines an SAE of your own; CONFIG.json is a whole run (as `--save-config` writes it).
"""


def main(argv: list[str]) -> int:
    """Train, score, save; print the folder and the headline scores."""
    files, words = _files(argv)
    for path in files:
        if not Path(path).is_file():
            raise ValueError(f"no file {path}")
    from mpsae import hosts, mesh

    mesh.start()
    from mpsae.config import Run
    from mpsae.files import write_text
    from mpsae.follow import follow
    from mpsae.layout import Layout
    from mpsae.plugin import load

    for path in (path for path in files if path.endswith(".py")):
        load(path)
    configs = [path for path in files if path.endswith(".json")]
    out, copy = Path("results"), None
    if configs:
        parser = Arguments(prog="mpsae train", add_help=False, allow_abbrev=False)
        add_checkpoints(parser)
        add_mesh(parser)
        chosen, rest = parser.parse_known_args(words)
        if rest:
            raise ValueError(
                f"{configs[0]} is a whole run: give either a config or options, not both ({rest[0]})"
            )
        runs = [_read(Run, Path(path)) for path in configs]
    else:
        chosen = _parse(words)
        out, copy, runs = chosen.out, chosen.save_config, [_run(chosen)]
    layout = Layout.parse(chosen.mesh) if chosen.mesh else None
    with hosts.joined(chosen.hosts, chosen.host, layout) as leads:
        if not leads:
            return follow(layout)
        if copy is not None:
            write_text(copy, runs[0].to_json() + "\n")
        return _train(runs, out, chosen, layout, f"mpsae train {shlex.join(argv)}")


def _files(argv: list[str]) -> tuple[list[str], list[str]]:
    """(files, other words); the word after an option is that option's value, whatever its ending."""
    taken = [
        word.endswith((".py", ".json"))
        and not word.startswith("-")
        and (not before.startswith("--") or before == "--allow-older")
        for before, word in zip(["", *argv], argv, strict=False)
    ]
    split = [[word for word, file in zip(argv, taken, strict=True) if file is want] for want in (True, False)]
    return split[0], split[1]


def _train(runs: list[Any], out: Path, chosen: Any, layout: Any, command: str) -> int:
    from mpsae.experiment import results
    from mpsae.progress import Progress
    from mpsae.sweep import sweep
    from mpsae.verbs.score import summary

    folder = out / "train" / "custom"
    ids = sweep(
        runs,
        experiment="train",
        scale="custom",
        folder=folder,
        command=command,
        checkpoint_every=chosen.checkpoint_every,
        allow_older=chosen.allow_older,
        layout=layout,
        progress=Progress(),
    )
    stored = results("train", "custom", out)
    for run_id in ids:
        mine = [row for row in stored.rows if row["run"] == run_id]
        print(summary(mine))
        print(f"saved in {folder / 'saes' / run_id}")
    return int(any(row["status"] == "diverged" for row in stored.rows if row["run"] in ids))


def _read(kind: Any, path: Path) -> Any:
    from mpsae.files import read_bytes

    try:
        return kind.from_json(read_bytes(path).decode())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _run(chosen: Any) -> Any:
    from mpsae.config import Evaluation, Run, Seed

    return Run(
        source=chosen.source,
        sae=chosen.sae,
        width=chosen.width,
        optim=chosen.optim,
        seed=Seed.all(chosen.seed),
        evaluation=Evaluation(ks=_numbers(chosen.ks)),
    )


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(",") if word)
    except ValueError:
        raise ValueError(f"--ks {text}: must be whole numbers with commas between them, as 1,2,4") from None


def _parse(words: list[str]) -> Any:
    """The options as a dataclass; tyro's complaint becomes one ValueError line."""
    import tyro

    from mpsae.checkpoint import EVERY
    from mpsae.optim import Optim
    from mpsae.registry import nearest, pick
    from mpsae.sae import known, presets
    from mpsae.source import known_sources

    tables: dict[str, dict[str, Any]] = {"sae": known() | presets(), "source": known_sources()}
    groups: dict[str, Any] = {"optim": Optim}
    for kind, _, name in (word.partition(":") for word in words):
        if kind in tables and name:
            spelt = {entry.replace("_", "-"): entry for entry in tables[kind]}
            groups[kind] = tables[kind][pick(spelt, name.replace("_", "-"), kind)]
    options = dataclasses.make_dataclass(
        "Options",
        [
            *((kind, _choice(table)) for kind, table in tables.items()),
            ("width", int, 512),
            ("seed", int, 0),
            ("optim", Optim, Optim()),
            ("ks", Annotated[str, tyro.conf.arg(help="sparsities to try at inference, as 1,2,4")], ""),
            ("out", Path, Path("results")),
            ("checkpoint_every", Annotated[float, tyro.conf.arg(help=CHECKPOINT_EVERY)], EVERY),
            (
                "allow_older",
                Annotated[tyro.conf.FlagCreatePairsOff[bool], tyro.conf.arg(help=ALLOW_OLDER)],
                False,
            ),
            ("mesh", Annotated[str, tyro.conf.arg(help=MESH)], ""),
            ("hosts", Annotated[str, tyro.conf.arg(help=HOSTS)], ""),
            ("host", Annotated[str, tyro.conf.arg(help=HOST)], ""),
            ("save_config", Path | None, None),
        ],
    )
    options.__doc__ = HELP
    said, shown = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(shown):
            return tyro.cli(
                options, args=words, prog="mpsae train", config=(tyro.conf.CascadeSubcommandArgs,)
            )
    except SystemExit as stop:
        if not stop.code:
            print(shown.getvalue(), end="")
            raise
        line = _one_line(said.getvalue() + shown.getvalue())
        if unknown := re.search(r"Unrecognized options: ([^\s,]+)", line):
            hint = nearest(unknown[1], _names(options, groups))
            line = f"unrecognized arguments: {unknown[1]}{hint} (see mpsae train --help)"
        raise ValueError(line) from None


def _names(options: Any, groups: dict[str, Any]) -> list[str]:
    """How every option is spelt; those of an SAE or a source are known once it is chosen."""
    own = {field.name for field in dataclasses.fields(options)} - {"sae", "source", "optim"} | {"help"}
    of_groups = {f"{group}.{field.name}" for group, of in groups.items() for field in dataclasses.fields(of)}
    return [f"--{name}".replace("_", "-") for name in sorted(own | of_groups)]


def _choice(entries: dict[str, Any]) -> Any:
    """A union with one subcommand per entry: an instance is its default, a class has required fields."""
    import tyro

    def one(name: str, entry: Any) -> Any:
        if not isinstance(entry, type):
            return Annotated[type(entry), tyro.conf.subcommand(name, default=entry)]
        return Annotated[entry, tyro.conf.subcommand(name)]

    return Union[tuple(one(name, entry) for name, entry in sorted(entries.items()))]  # noqa: UP007


def _one_line(boxed: str) -> str:
    """The message of a box-drawn error panel on one line, without its frame and its usage hint."""
    text = re.sub(r"[╭╮╰╯│─]+|-{5,}", " ", boxed)
    text = re.sub(r"For full helptext,? (run|see).*", "", text, flags=re.DOTALL)
    return " ".join(text.split()) + " (see mpsae train --help)"
