"""Peak memory growth of a training step, in a process of its own."""

import ctypes
import gc
import subprocess
import sys
from pathlib import Path

from mpsae.bench.problem import Size, problem

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MEASURED = ("mp residual", "mp gram", "mp auto", "overcomplete mp", "SAELens mp")


def growth(name: str, size: Size) -> float:
    """MB by which the resident set peaks above what it was before the first step. ValueError if it fails."""
    if not CLEAR.exists():
        raise ValueError(f"{CLEAR} is missing: peak memory is measured on Linux only")
    words = [sys.executable, "-m", "mpsae.bench.memory", name, *map(str, size)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"memory of {name} at {size}: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout.split()[-1])


def main(name: str, *numbers: str) -> None:
    """Print the growth in MB of two steps of `name`."""
    size = Size(*map(int, numbers))
    x, atoms = problem(size)
    call = _entrant(name, size, x, atoms).call
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what compiling left behind would hide what the step needs
    CLEAR.write_text("5")  # the peak starts again from here
    before = _status("VmRSS")
    call(1)
    call(1)
    print(_status("VmHWM") - before)


def _entrant(name, size, x, atoms):
    from mpsae.bench import ours, peers

    if name == "overcomplete mp":
        return peers.overcomplete_training("mp", size.k, x, atoms)
    if name == "SAELens mp":
        return peers.saelens_training(size.k, x, atoms)
    return ours.training(name, ours.pursuits(size.k)[name], x, atoms)


def _status(field: str) -> float:
    """A memory field of this process in MB."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main(*sys.argv[1:])
