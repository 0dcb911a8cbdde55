"""Any [rows, dim] array from a file, checked value by value before it is trusted."""

import contextlib
import os
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from mpsae.source import ArraySource, SourceConfig, array_source, check_held_out, fixed_order

EXACT = ("float32", "float16", "bfloat16")  # float32 holds all of their values
ZERO_ROWS = ("refuse", "drop", "keep")
CASTS = ("refuse", "float32")


class Arrays(SourceConfig, name="arrays"):
    """Rows of a .npy, .npz or .safetensors file; `held_out` of them, by a fixed permutation.

    `array` names the array where a file holds several. `zero_rows` says what happens to
    rows that are all zero, `cast` whether float64 and integers may lose digits.
    """

    path: str
    held_out: int = 1000
    array: str = ""
    zero_rows: str = "refuse"
    cast: str = "refuse"

    def validate(self) -> None:
        """Refuse unknown options and partial blocks; what the file allows is known only in `build`."""
        super().validate()
        for name, allowed in (("zero_rows", ZERO_ROWS), ("cast", CASTS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(f"arrays.{name} = {value!r}: must be one of {', '.join(allowed)}")
        if os.path.splitext(self.path)[1] not in READERS:
            raise ValueError(f"arrays.path = {self.path!r}: must end in {', '.join(READERS)}")
        check_held_out(self.held_out)

    def build(self, world_seed: int) -> ArraySource:
        """The same rows and the same split for every seed."""
        rows = self.read()
        if self.held_out >= len(rows):
            raise ValueError(
                f"arrays.held_out = {self.held_out}: must be less than {len(rows)}, the rows in {self.path}"
            )
        order = fixed_order(len(rows))
        return array_source(rows[order[self.held_out :]], rows[order[: self.held_out]])

    def read(self) -> np.ndarray:
        """Every row of the file as float32, checked, in the order of the file."""
        self.validate()
        read = READERS[os.path.splitext(self.path)[1]]
        with reading(self.path):
            stored = read(self.path)
        return self._kept(self._checked(_choose(self.path, stored, self.array)))

    def _checked(self, rows: np.ndarray) -> np.ndarray:
        if rows.ndim != 2 or not rows.size:
            raise ValueError(f"{self.path} has shape {list(rows.shape)}: must be [rows, dim], neither 0")
        kind = str(rows.dtype)
        if kind not in EXACT and not (np.issubdtype(rows.dtype, np.floating) or rows.dtype.kind in "iu"):
            raise ValueError(f"{self.path} has dtype {kind}: must be {' or '.join(EXACT)}")
        if kind not in EXACT and self.cast == "refuse":
            raise ValueError(
                f"{self.path} has dtype {kind}: must be {' or '.join(EXACT)},"
                f" or set cast='float32' to round its values"
            )
        with np.errstate(over="ignore"):  # an overflow becomes inf, reported with its place below
            rows = rows.astype(np.float32)
        bad = ~np.isfinite(rows)
        if bad.any():
            row, column = np.unravel_index(np.argmax(bad), bad.shape)
            value = rows[row, column]
            raise ValueError(f"{self.path}, row {row}, column {column}: {value} must be a finite float32")
        return rows

    def _kept(self, rows: np.ndarray) -> np.ndarray:
        zero = ~rows.any(axis=1)
        if self.zero_rows == "keep" or not zero.any():
            return rows
        if self.zero_rows == "refuse":
            raise ValueError(
                f"{self.path}, row {np.argmax(zero)}: all columns are 0 ({zero.sum()} such rows);"
                f" must not be, or set zero_rows='drop' or 'keep'"
            )
        return rows[~zero]


@contextlib.contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn every way in which a file cannot be read into one ValueError that names it."""
    if not os.path.isfile(path):
        raise ValueError(f"{path}: no such file; the path must name an existing one")
    try:
        yield
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} cannot be read: must be a complete file of its format ({reason})"
        ) from error


def _npy(path: str) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:  # np.load given a path leaves it open on some failures
        array = np.load(file, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError("an .npz archive under the name of an .npy file")
    return {"": array}


def read_npz(path: str) -> dict[str, np.ndarray]:
    """Every array of an .npz file by name; no pickles."""
    with open(path, "rb") as file:
        stored = np.load(file, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise ValueError("a single .npy array under the name of an .npz file")
        with stored:
            return {name: stored[name] for name in stored.files}


def _safetensors(path: str) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error


READERS = {".npy": _npy, ".npz": read_npz, ".safetensors": _safetensors}


def _choose(path: str, stored: dict[str, np.ndarray], array: str) -> np.ndarray:
    if array in stored:
        return stored[array]
    if not array and len(stored) == 1:
        return next(iter(stored.values()))
    names = ", ".join(sorted(stored)) or "none"
    raise ValueError(f"arrays.array = {array!r}: must name one of the arrays in {path}: {names}")
