"""Embeddings in memory: rows by modality, pairs, and what is known of each row."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from mpsae.store.labels import Labels

MODALITIES = ("image", "text")


class Rows:
    """[n, dim] rows that lie in several arrays, memory-mapped or not; what is indexed is copied."""

    def __init__(self, parts: Sequence[np.ndarray]):
        self.parts = list(parts)
        self.shape = (sum(map(len, parts)), parts[0].shape[1])
        self.dtype = parts[0].dtype
        self.ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | Sequence[int] | np.ndarray) -> Float[np.ndarray, "rows dim"]:
        """The rows of a slice, of row numbers or of a mask, in that order."""
        wanted = self._numbers(key)
        rows = np.empty((len(wanted), self.shape[1]), self.dtype)
        owner = np.searchsorted(self.ends, wanted, side="right")
        for number in np.unique(owner):
            here = owner == number
            rows[here] = self.parts[number][wanted[here] - (self.ends[number] - len(self.parts[number]))]
        return rows

    def _numbers(self, key: slice | Sequence[int] | np.ndarray) -> Int[np.ndarray, "rows"]:
        if isinstance(key, slice):
            return np.arange(*key.indices(len(self)))
        given = np.atleast_1d(np.asarray(key))
        if given.dtype == bool:
            return np.arange(len(self))[given]  # refuses a mask of another length
        if given.size and not -len(self) <= given.min() <= given.max() < len(self):
            raise IndexError(f"row numbers must be from 0 to {len(self) - 1}")
        return np.where(given < 0, given + len(self), given).astype(np.int64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        whole = self.parts[0] if len(self.parts) == 1 else np.concatenate(self.parts)
        return np.array(whole, dtype=dtype, copy=copy)

    def blocks(self, size: int = 8192) -> Iterator[tuple[int, Float[np.ndarray, "rows dim"]]]:
        """(number of its first row, block of at most `size` rows), in order."""
        first = 0
        for part in self.parts:
            for start in range(0, len(part), size):
                yield first + start, part[start : start + size]
            first += len(part)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Store:
    """Embeddings, whatever file they come from. All rows are finite and none is zero.

    `rows` {modality: [n, dim]} and `ids` {modality: int64 [n]}, the source's own numbers; `pairs`
    [q, 2] of (image row, text row), each image and each text any number of times; `items`
    {modality: a dict per row, or nothing}: `text` of a caption, `name` of an image file; `record`:
    model, preprocess, provenance, left_out; `fingerprint` names rows, pairs and labels.
    """

    rows: dict[str, Rows]
    ids: dict[str, Int[np.ndarray, "n"]]
    pairs: Int[np.ndarray, "q 2"]
    items: dict[str, list[dict[str, Any]]]
    labels: Labels
    record: dict[str, Any]
    fingerprint: str

    def __post_init__(self) -> None:
        check_pairs(self.pairs, self.counts, "pairs")
        self.labels.check(self.counts, "labels")

    @property
    def dim(self) -> int:
        """The width of a row, the same for every modality."""
        return next(iter(self.rows.values())).shape[1]

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each modality."""
        return {modality: len(rows) for modality, rows in self.rows.items()}

    @property
    def captions(self) -> list[str] | None:
        """The caption of each text row, None when the store has not recorded them."""
        items = self.items.get("text")
        return [item["text"] for item in items] if items and all("text" in item for item in items) else None


def no_pairs() -> Int[np.ndarray, "0 2"]:
    """The pairs of a store that has none."""
    return np.zeros((0, 2), np.int64)


def check_pairs(pairs: Int[np.ndarray, "q 2"], counts: dict[str, int], name: str) -> None:
    """ValueError naming the first pair with a row number that is not a row of its modality."""
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype != np.int64:
        raise ValueError(
            f"{name}: must be int64 [pairs, 2], found {pairs.dtype} of shape {list(pairs.shape)}"
        )
    for column, modality in enumerate(MODALITIES):
        rows = counts.get(modality, 0)
        wrong = (pairs[:, column] < 0) | (pairs[:, column] >= rows)
        if wrong.any():
            row = int(np.argmax(wrong))
            found = pairs[row, column]
            raise ValueError(f"{name}, pair {row}: {modality} row {found} does not exist, there are {rows}")
