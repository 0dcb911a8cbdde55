"""Embeddings that somebody else made: .npy, .npz, .safetensors or .bin files as a Store."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mpsae.array_files import READERS, as_float32, reading
from mpsae.canonical import digest
from mpsae.store.labels import Labels
from mpsae.store.memory import MODALITIES, Rows, Store, no_pairs

CHOICES = {"zero_rows": ("refuse", "drop"), "cast": ("refuse", "float32")}
BIN_DTYPES = ("float32", "float16")


def from_files(
    image: Path | str | None = None,
    text: Path | str | None = None,
    *,
    both: Path | str | None = None,
    zero_rows: str = "refuse",
    cast: str = "refuse",
    dim: int | None = None,
    dtype: str = "float32",
) -> Store:
    """Rows of `image` and `text`, files of [n, dim], or of one file `both`, as float32.

    `both` holds [2, n, dim] (image, text) or arrays named `image` and `text`. Of two modalities row
    i belongs to row i. A .bin file is raw little-endian rows of `dim` values of `dtype`. Refused by
    file and row: NaN, infinity, zero rows (`zero_rows="drop"` drops them with their pairs and
    records how many), unequal counts, different widths, float64 and integers (`cast="float32"`
    rounds them). `ids` are the row numbers in the file.
    """
    for name, value in (("zero_rows", zero_rows), ("cast", cast)):
        if value not in CHOICES[name]:
            raise ValueError(f"{name} = {value!r}: must be one of {', '.join(CHOICES[name])}")
    files = {name: str(path) for name, path in (("image", image), ("text", text)) if path is not None}
    if (both is None) == (not files):
        raise ValueError("give either files of image and text rows or one file of both")
    stored = {
        modality: as_float32(array, name, cast=cast == "float32")
        for modality, (name, array) in (
            _both(str(both), dim, dtype)
            if both is not None
            else {modality: (path, _one(path, modality, dim, dtype)) for modality, path in files.items()}
        ).items()
    }
    _refuse_uneven(stored, files or dict.fromkeys(MODALITIES, str(both)))
    kept = {name: np.asarray(rows.any(axis=1)) for name, rows in stored.items()}
    dropped = {name: int((~mask).sum()) for name, mask in kept.items() if not mask.all()}
    if dropped and zero_rows == "refuse":
        name = next(iter(dropped))
        raise ValueError(
            f"{files.get(name, both)}, {name} row {np.argmin(kept[name])}: all columns are 0"
            f" ({dropped[name]} such rows); must not be, or set zero_rows='drop'"
        )
    if not all(mask.any() for mask in kept.values()):
        raise ValueError(f"{files.get(next(iter(dropped)), both)}: every row is 0")
    return _store(stored, kept, dropped, [os.path.basename(path) for path in files.values() or [str(both)]])


def _store(
    stored: dict[str, np.ndarray], kept: dict[str, np.ndarray], dropped: dict[str, int], names: list[str]
) -> Store:
    pairs = no_pairs()
    if len(stored) == 2:
        whole = kept["image"] & kept["text"]
        numbers = [np.cumsum(kept[name]) - 1 for name in MODALITIES]
        pairs = np.stack([number[whole] for number in numbers], axis=1).astype(np.int64)
    rows = {name: array[kept[name]] for name, array in stored.items()}
    digests = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in rows.items()}
    left_out = [f"{count} {name} rows that are 0" for name, count in dropped.items()]
    content = {"dim": rows[next(iter(rows))].shape[1], "rows": digests, "pairs": pairs.tolist()}
    return Store(
        rows={name: Rows([array]) for name, array in rows.items()},
        ids={name: np.flatnonzero(mask).astype(np.int64) for name, mask in kept.items()},
        pairs=pairs,
        items={},
        labels=Labels(),
        record={"model": {}, "preprocess": {}, "provenance": {"files": names}, "left_out": left_out},
        fingerprint=digest(content),
    )


def _read(path: str, dim: int | None, dtype: str) -> dict[str, np.ndarray]:
    ending = os.path.splitext(path)[1]
    if ending not in (*READERS, ".bin"):
        raise ValueError(f"{path}: must end in {', '.join(READERS)} or .bin")
    with reading(path):
        if ending != ".bin":
            return READERS[ending](path)
        return {"": _raw(path, dim, dtype)}


def _raw(path: str, dim: int | None, dtype: str) -> Float[np.ndarray, "n dim"]:
    if dim is None or dim < 1 or dtype not in BIN_DTYPES:
        raise ValueError(f"a .bin file needs dim, at least 1, and dtype, {' or '.join(BIN_DTYPES)}")
    kind = np.dtype(dtype).newbyteorder("<")
    row = dim * kind.itemsize
    if os.path.getsize(path) % row:
        raise ValueError(f"{os.path.getsize(path)} bytes are not a whole number of rows of {row} bytes")
    return np.fromfile(path, kind).reshape(-1, dim)


def _one(path: str, modality: str, dim: int | None, dtype: str) -> np.ndarray:
    stored = _read(path, dim, dtype)
    if modality in stored or len(stored) == 1:
        return stored.get(modality, next(iter(stored.values())))
    names = ", ".join(sorted(stored)) or "none"
    raise ValueError(f"{path}: must hold one array or one named {modality!r}, found {names}")


def _both(path: str, dim: int | None, dtype: str) -> dict[str, tuple[str, np.ndarray]]:
    stored: dict[str, Any] = _read(path, dim, dtype)
    if not set(MODALITIES) <= stored.keys():
        array = next(iter(stored.values())) if len(stored) == 1 else None
        if array is None or array.ndim != 3 or len(array) != 2:
            shapes = {name: list(array.shape) for name, array in stored.items()}
            raise ValueError(f"{path}: must hold [2, n, dim] or arrays named image and text, found {shapes}")
        stored = dict(zip(MODALITIES, array, strict=True))
    return {modality: (f"{path}, {modality}", stored[modality]) for modality in MODALITIES}


def _refuse_uneven(stored: dict[str, np.ndarray], files: dict[str, str]) -> None:
    if len(stored) < 2:
        return
    (rows, dim), (text_rows, text_dim) = (stored[name].shape for name in MODALITIES)
    where = " and ".join(dict.fromkeys(files[name] for name in MODALITIES))
    if dim != text_dim:
        raise ValueError(f"{where}: image rows have {dim} values, text rows {text_dim}; must be as many")
    if rows != text_rows:
        raise ValueError(f"{where}: {rows} image rows and {text_rows} text rows; row i must belong to row i")
