"""Arguments of the verbs: argparse with one-line errors that suggest the nearest spelling."""

import argparse
import difflib
import re
from pathlib import Path
from typing import NoReturn

CHECKPOINT_EVERY = (
    "seconds of training between two checkpoints, or 50 times what writing one takes if that is more;"
    " inf: only when stopped"
)
ALLOW_OLDER = "go on from an earlier checkpoint where the last one is damaged"
MESH = (
    "divide the devices, as members=1,batch=2,atoms=4: SAEs at once, parts of a batch, parts of a dictionary;"
    " by default members alone, as many as there are devices"
)

HOSTS = (
    "train over the devices of several processes: HOST:PORT of the first one, or auto where Slurm or Open MPI"
    " started them; every process is given the same command, and --mesh"
)
HOST = "which of them this is, as 1/2"


class Arguments(argparse.ArgumentParser):
    """Raises ValueError instead of printing the usage, so that the CLI says one line."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's message into a ValueError, with the nearest option or choice."""
        word, known = "", [option for action in self._actions for option in action.option_strings]
        if unknown := re.match(r"unrecognized arguments: (\S+)", message):
            word = unknown[1]
        elif choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            word, known = choice[1], re.findall(r"\w+", choice[2])
        near = difflib.get_close_matches(word, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{message}{hint} (see {self.prog} --help)")


def add_checkpoints(parser: Arguments) -> None:
    """The arguments that say how training is kept on disk."""
    from mpsae.checkpoint import EVERY

    parser.add_argument(
        "--checkpoint-every",
        type=float,
        default=EVERY,
        metavar="SECONDS",
        help=f"{CHECKPOINT_EVERY} (default {EVERY:g})",
    )
    parser.add_argument("--allow-older", action="store_true", help=ALLOW_OLDER)


def add_mesh(parser: Arguments) -> None:
    """The arguments that say what lies on which device, and of which processes."""
    parser.add_argument("--mesh", default="", metavar="AXIS=N[,...]", help=MESH)
    parser.add_argument("--hosts", default="", metavar="HOST:PORT|auto", help=HOSTS)
    parser.add_argument("--host", default="", metavar="I/N", help=HOST)


def add_foreign(parser: Arguments) -> None:
    """The arguments that say where a foreign SAE is and what its files leave out."""
    parser.add_argument("path", type=Path, metavar="FOLDER_OR_FILE", help="the SAE of another library")
    add_format(parser, required=False)


def add_format(parser: Arguments, *, required: bool) -> None:
    """The arguments that name a format and say what its files leave out."""
    parser.add_argument(
        "--format",
        required=required,
        help="dictionary_learning, gemma_scope, gemma_scope_2, mnist_mp, openai, overcomplete, saelens or sparsify;"
        " a folder shows it by itself",
    )
    parser.add_argument(
        "--given",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the files leave out, as --given k=10; may be repeated",
    )
