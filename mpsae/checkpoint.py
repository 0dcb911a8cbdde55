"""A checkpoint: arrays and a record as one folder, which appears whole or not at all.

`step-000000012000/arrays.bin` holds the bytes of all arrays one after another, `manifest.json` what they are and the
sha256 of each. The newest two are kept. This is not orbax: with one bit of its data file flipped it restored
other weights without a word, 12 times of 12, and it writes 10 files for one array (measured, orbax 0.12.8); what
it has on top, a part of an array from every host, needs a folder that all of them share. Nor is it safetensors,
which copies every array twice on the way and took longer than the disk (measured, 1 GB).
"""

import hashlib
import math
import os
import re
import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mpsae.files import locked, read_bytes, remove_folder, replace_folder, write_parts, write_text
from mpsae.form import SIZE, TABLE, TEXT
from mpsae.record import read_record, sealed

SCHEMA = "mpsae.state/1"
MANIFEST, ARRAYS = "manifest.json", "arrays.bin"
ARRAY = {"name": TEXT, "dtype": TEXT, "shape": [SIZE], "sha256": TEXT}
FORM = {"step": SIZE, "arrays": [ARRAY], "about": TABLE}
DTYPES = re.compile("bool|u?int(8|16|32|64)|float(16|32|64)|bfloat16")
KEPT = 2
EVERY = 120.0  # seconds of training between two, unless asked otherwise


class Checkpoint(NamedTuple):
    """The state after `step` steps: its arrays by name, and what else was recorded `about` it."""

    path: Path
    step: int
    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def write(folder: Path, step: int, arrays: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Add the checkpoint of `step` to `folder` and remove all but the one before it.

    `about` is JSON. Killed at any moment, what was there before stays, and no half checkpoint is ever
    found. Raises OSError naming the file when the disk is full or refuses.
    """
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    flat = [array.reshape(-1).view(np.uint8).data for array in contiguous.values()]
    with locked(folder):  # so that a part found here is nobody's
        for left in folder.glob(".step-*"):
            shutil.rmtree(left)
        part = folder / f".{_name(step)}.part-{secrets.token_hex(4)}"
        with _threads() as pool:  # digests are made while the disk is busy
            digests = pool.map(_digest, flat)
            write_parts(part / ARRAYS, flat)
        entries = [
            {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "sha256": sha256}
            for (name, array), sha256 in zip(contiguous.items(), digests, strict=True)
        ]
        record = {"schema": SCHEMA, "step": step, "arrays": entries, "about": about}
        write_text(part / MANIFEST, sealed(record))
        replace_folder(part, folder / _name(step))
        # One of a later step was refused, or this one would not be written.
        kept = [path for path in _steps(folder) if path.name <= _name(step)][-KEPT:]
        for path in set(_steps(folder)) - set(kept):
            remove_folder(path)


def newest(folder: Path, *, allow_older: bool, say: Callable[[str], Any]) -> Checkpoint | None:
    """The latest checkpoint in `folder`, None where there is none.

    Raises ValueError naming the file for one that is damaged. With `allow_older` the one before it is
    taken, and `say` gets what was skipped; ValueError only where no checkpoint is left.
    """
    steps = _steps(folder)
    for path in reversed(steps):
        try:
            return read(path)
        except ValueError as error:
            if not allow_older:
                advice = f"--allow-older goes on from an earlier checkpoint, deleting {folder} starts anew"
                raise ValueError(f"{error}; {advice}") from error
            say(f"skipped: {error}")
    if steps:
        raise ValueError(f"{folder}: every checkpoint is damaged, delete this folder to start anew")
    return None


def read(path: Path) -> Checkpoint:
    """The checkpoint at `path`, once schema, digests, sizes and shapes are right.

    Every failure is a ValueError of one sentence that names the file, with both digests.
    """
    record = read_record(path / MANIFEST, SCHEMA, FORM)
    for entry in record["arrays"]:
        if not DTYPES.fullmatch(entry["dtype"]):
            raise ValueError(
                f"{path / MANIFEST}: {entry['name']:.100} is {entry['dtype']:.100}, no type of numbers"
            )
    data = memoryview(read_bytes(path / ARRAYS))
    kinds = [(np.dtype(entry["dtype"]), tuple(entry["shape"])) for entry in record["arrays"]]
    sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in kinds]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    flat = [data[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
    with _threads() as pool:
        digests = list(pool.map(_digest, flat))
    length = "" if len(data) == sum(sizes) else f"{len(data)} bytes instead of {sum(sizes)}, "
    for entry, found in zip(record["arrays"], digests, strict=True):
        if found != entry["sha256"]:
            raise ValueError(
                f"{path / ARRAYS}: damaged, {length}{entry['name']}: expected sha256 {entry['sha256']}, found {found}"
            )
    arrays = {
        entry["name"]: np.frombuffer(part, dtype).reshape(shape)
        for entry, part, (dtype, shape) in zip(record["arrays"], flat, kinds, strict=True)
    }
    return Checkpoint(path, record["step"], arrays, record["about"])


def _name(step: int) -> str:
    return f"step-{step:012d}"


def _steps(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if re.fullmatch(r"step-\d{12}", path.name))


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)))


def _digest(data: memoryview) -> str:
    return hashlib.sha256(data).hexdigest()
