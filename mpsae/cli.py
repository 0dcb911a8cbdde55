"""The command line: a static table of verbs, so that --help needs none of the heavy imports."""

import difflib
import importlib
import os
import signal
import sys
import traceback
from typing import NoReturn

from mpsae import stop
from mpsae.progress import printable

LONGEST = 2000  # characters of a complaint: a name in a file may have a million
VERBS = {
    "list": "variants, sources, worlds, metrics and experiments, a line each",
    "run": "run an experiment: mpsae run hierarchy --scale quick",
    "launch": "the parts of an experiment as jobs of a cluster: mpsae launch --parts 8 run hierarchy",
    "figures": "redraw an experiment's figures from its rows",
    "verdict": "what rows say about the contested questions; with an experiment, about each of its claims",
    "report": "verdicts, figures and rows as one HTML file that opens from disk",
    "train": "train one SAE and save it: mpsae train sae:mp --sae.k 4 source:digits",
    "score": "score a saved SAE: mpsae score FOLDER",
    "explore": "the atoms of a saved SAE as static pages, with images, captions and pursuits",
    "import": "an SAE of SAELens, Gemma Scope, dictionary_learning, sparsify, overcomplete as one of ours",
    "export": "a saved SAE in the format of another library, with a card",
    "verify": "a foreign SAE by its library's own code and by ours: the largest difference",
    "embed": "images and captions through a CLIP model, or InceptionV1, into a folder of embeddings",
    "visualise": "what latents and neurons of InceptionV1 answer to most, as pictures and images",
    "bench": "how fast, beside the peers that are installed: mpsae bench --scale quick",
    "check": "run the conformance suite on a variant: mpsae check my_sae.py",
}


def usage() -> str:
    """What `mpsae --help` prints."""
    width = max(map(len, VERBS))
    lines = "\n".join(f"  {verb.ljust(width)}  {text}" for verb, text in VERBS.items())
    return (
        "usage: mpsae VERB ...\n\nWhich sparse autoencoder recovers which structure?\n\n"
        f"{lines}\n\nmpsae VERB --help says more; mpsae --debug VERB ... shows where an error comes from."
    )


def main(argv: list[str] | None = None) -> int:
    """Run one verb. An error ends in one line and exit code 2, Ctrl-C in 130, SIGTERM in 143.

    With --debug before the verb an error ends in its traceback.
    """
    words = sys.argv[1:] if argv is None else argv
    debug, words = words[:1] == ["--debug"], words[words[:1] == ["--debug"] :]
    if not words or words[0] in ("-h", "--help"):
        print(usage())
        return 0
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        near = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return _complain("mpsae", f"unknown verb {verb!r}: known are {', '.join(VERBS)}{hint}")
    try:
        with stop.heard():
            return importlib.import_module(f"mpsae.verbs.{verb}").main(rest)
    except Exception as error:
        if debug:
            raise
        return _complain(f"mpsae {verb}", _sentence(error))
    except KeyboardInterrupt as stopped:
        end_of_progress = "\n" if sys.stderr.isatty() else ""
        text = f"mpsae {verb}: stopped; finished work is kept, the same command goes on"
        print(f"{end_of_progress}{text}", file=sys.stderr)
        return 128 + (stopped.number if isinstance(stopped, stop.Stop) else signal.SIGINT)


def script() -> NoReturn:
    """The command `mpsae`: `main`, and the end of the process, which waits for no thread once a signal came."""
    code = main()
    if stop.asked() is None:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what still computes in a thread is of no use, and may take minutes


def _complain(who: str, text: str) -> int:
    line = " ".join(text.split())
    if len(line) > LONGEST:
        line = f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
    print(f"{who}: {printable(line)}", file=sys.stderr)
    return 2


def _sentence(error: Exception) -> str:
    """What a ValueError or OSError says, else also its type and the last line of ours or the user's."""
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = ([frame for frame in frames if "site-packages" not in frame.filename] or frames)[-1]
    return f"{place.filename}, line {place.lineno}: {type(error).__name__}, {error} (--debug shows more)"


if __name__ == "__main__":
    script()
