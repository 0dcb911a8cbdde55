"""Any [rows, dim] array from a file or a folder of rows, checked value by value before it is trusted."""

import os
from typing import ClassVar

import numpy as np

from mpsae.array_files import READERS, as_float32, reading
from mpsae.class_graph import PATHS
from mpsae.class_labels import CLASS, read_levels, with_graph
from mpsae.label_table import LabelTable, read_labels
from mpsae.labels import Labels
from mpsae.source import (
    NORMS,
    ArraySource,
    SourceConfig,
    array_source,
    check_choices,
    check_held_out,
    fixed_order,
    normed,
)
from mpsae.store import Labels as Known
from mpsae.store import read

ZERO_ROWS = ("refuse", "drop", "keep")
CASTS = ("refuse", "float32")


class Arrays(SourceConfig, name="arrays"):
    """Rows of a .npy, .npz or .safetensors file or of a folder of `mpsae embed`; some held out by a fixed permutation.

    `held_out` says how many. `array` names the array where a file holds several, `image` or `text` where a
    folder has both. `zero_rows` says what happens to rows that are all zero, `cast` whether float64 and
    integers may lose digits. norm: `unit` divides rows by their length first. centring: `global` takes the
    mean of the training rows off all.

    labels: a .csv or .tsv table with a line for every row of the file (`mpsae.label_table`), zero rows included,
    a column per factor; without one, a folder's own labels. class_graph, class_path, class_levels: of the factor
    `class`, as in the source `embeddings`.
    """

    stored: ClassVar[bool] = True
    centrings: ClassVar[tuple[str, ...]] = ("none", "global")
    in_fingerprint: ClassVar[tuple[str, ...]] = (
        "path",
        "labels",
        "class_graph",
        "class_path",
        "class_levels",
    )

    path: str
    held_out: int = 1000
    array: str = ""
    zero_rows: str = "refuse"
    cast: str = "refuse"
    norm: str = "keep"
    centring: str = "none"
    labels: str = ""
    class_graph: str = ""
    class_path: str = "graph"
    class_levels: str = ""

    @property
    def title(self) -> str:
        return os.path.splitext(os.path.basename(os.path.normpath(self.path)))[0]

    def validate(self) -> None:
        """Refuse unknown options and partial blocks; what the file allows is known only in `build`."""
        super().validate()
        check_choices(
            self, zero_rows=ZERO_ROWS, cast=CASTS, norm=NORMS, centring=self.centrings, class_path=PATHS
        )
        if read_levels(self.class_levels, "arrays.class_levels") and not self.class_graph:
            raise ValueError("arrays.class_levels: levels of what? give arrays.class_graph too")
        if os.path.splitext(self.path)[1] not in READERS and not os.path.isdir(self.path):
            raise ValueError(
                f"arrays.path = {self.path!r}: must end in {', '.join(READERS)}, or be a folder of `mpsae embed`"
            )
        check_held_out(self.held_out)

    def build(self, world_seed: int) -> ArraySource:
        """The same rows and the same split for every seed."""
        rows, kept, known = self._read()
        rows = normed(rows, self.norm)
        if self.held_out >= len(rows):
            raise ValueError(
                f"arrays.held_out = {self.held_out}: must be less than {len(rows)}, the rows in {self.path}"
            )
        order = fixed_order(len(rows))
        train, held = rows[order[self.held_out :]], rows[order[: self.held_out]]
        shift = train.mean(0) if self.centring == "global" else np.float32(0)
        if self.labels:
            known = read_labels(self.labels, len(kept))
        labels = None
        if known is not None:
            labels = known.of_rows(np.flatnonzero(kept)[order[: self.held_out]])
        return array_source(train - shift, held - shift, self._with_graph(labels))

    def read(self) -> np.ndarray:
        """Every row of the file or folder as float32, checked, in its order."""
        return self._read()[0]

    def _read(self) -> tuple[np.ndarray, np.ndarray, LabelTable | None]:
        """The rows, which of those in the file they are [file rows], and what a folder knows of the file rows."""
        self.validate()
        stored, labels = _stored(self.path)
        name = _choice(self.path, stored, self.array)
        rows = as_float32(stored[name], self.path, cast=self.cast == "float32")
        known = None if labels is None else _table(labels, name)
        zero = ~rows.any(axis=1)
        if self.zero_rows == "refuse" and zero.any():
            raise ValueError(
                f"{self.path}, row {np.argmax(zero)}: all columns are 0 ({zero.sum()} such rows);"
                f" must not be, or set zero_rows='drop' or 'keep'"
            )
        kept = np.full(len(rows), True) if self.zero_rows == "keep" else np.logical_not(zero)
        return rows[kept], kept, known

    def _with_graph(self, labels: Labels | None) -> Labels | None:
        """The labels with what the class graph says, where one is given."""
        if not self.class_graph:
            return labels
        if labels is None or CLASS not in labels.of:
            raise ValueError(
                f"arrays.class_graph = {self.class_graph!r}: {self.labels or self.path} has no factor {CLASS!r}"
            )
        levels = read_levels(self.class_levels, "arrays.class_levels")
        return with_graph(labels, self.class_graph, path=self.class_path, levels=levels)


def _stored(path: str) -> tuple[dict[str, np.ndarray], Known | None]:
    """Every array by its name, and what a folder knows of its rows."""
    if os.path.isdir(path):
        store = read(path)
        return {modality: np.asarray(rows) for modality, rows in store.rows.items()}, store.labels
    with reading(path):
        return READERS[os.path.splitext(path)[1]](path), None


def _choice(path: str, stored: dict[str, np.ndarray], array: str) -> str:
    if array in stored:
        return array
    if not array and len(stored) == 1:
        return next(iter(stored))
    names = ", ".join(sorted(stored)) or "none"
    raise ValueError(f"arrays.array = {array!r}: must name one of the arrays in {path}: {names}")


def _table(labels: Known, modality: str) -> LabelTable | None:
    """What a folder knows of the rows of a modality, None for nothing."""
    of = labels.values.get(modality, {})
    trees = ((factor, tree.parent) for factor, tree in sorted(labels.trees.items()))
    return (
        LabelTable(of, labels.classes, tuple(one for one in trees if of.keys() >= set(one))) if of else None
    )
