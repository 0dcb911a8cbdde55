"""What is known of each row: classes by factor, which class is whose parent, chains of captions."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

NOT_STATED = -1
ROOT = ""  # the caption that says nothing: a text row of it is the root of all chains


@dataclasses.dataclass(frozen=True)
class Tree:
    """Class c of a factor belongs to class `parents[c]` of the factor `parent`."""

    parent: str
    parents: Int[np.ndarray, "classes"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labels:
    """`classes` {factor: names}; `values` {modality: {factor: int64 [rows], -1 where not stated}};
    `trees` {factor: Tree}; `chains` int64 [c, depth], text rows from the root to the full caption.

    On disk: tensors `image.kind`, `text.kind` (labels), `tree.kind` (parents) and `chains`, each in the
    smallest signed type that holds it.
    """

    classes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    values: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    trees: Mapping[str, Tree] = dataclasses.field(default_factory=dict)
    chains: Int[np.ndarray, "chains depth"] | None = None

    def __bool__(self) -> bool:
        return bool(self.classes or self.chains is not None)

    def check(self, counts: Mapping[str, int], name: str) -> None:
        """ValueError of one sentence, beginning with `name`, for the first thing that does not fit.

        Checked: names, dtypes and lengths, labels and parents in range, no factor above itself, a
        row whose labels contradict the tree, chains of rows that exist.
        """
        for factor, classes in self.classes.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", factor) or len(set(classes)) != len(classes):
                raise ValueError(
                    f"{name}: factor {factor!r} needs a name of a-z, 0-9, _ and distinct classes"
                )
        for modality, factors in self.values.items():
            for factor, values in factors.items():
                self._check_values(values, counts.get(modality, 0), factor, f"{name}: {modality}.{factor}")
        for factor, tree in self.trees.items():
            self._check_tree(factor, tree, f"{name}: tree.{factor}")
        for modality, factors in self.values.items():
            self._check_agreement(factors, f"{name}: {modality}")
        if self.chains is not None:
            _check_range(self.chains, (len(self.chains), -1), 0, counts.get("text", 0), f"{name}: chains")

    def tensors(self) -> dict[str, np.ndarray]:
        """Every array, by its name on disk."""
        found = {
            f"{modality}.{factor}": values
            for modality, factors in self.values.items()
            for factor, values in factors.items()
        }
        found |= {f"tree.{factor}": tree.parents for factor, tree in self.trees.items()}
        return found | ({} if self.chains is None else {"chains": self.chains})

    def entry(self) -> dict[str, Any]:
        """What the index says about them, beside the file's digest."""
        return {
            "classes": {factor: list(classes) for factor, classes in self.classes.items()},
            "trees": {factor: tree.parent for factor, tree in self.trees.items()},
            "shapes": {name: list(tensor.shape) for name, tensor in self.tensors().items()},
        }

    @classmethod
    def of(cls, entry: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> "Labels":
        """The labels that `entry` and `tensors` came from."""
        values: dict[str, dict[str, np.ndarray]] = {}
        for name, tensor in tensors.items():
            modality, _, factor = name.partition(".")
            if factor and modality != "tree":
                values.setdefault(modality, {})[factor] = tensor
        return cls(
            classes={factor: tuple(classes) for factor, classes in entry["classes"].items()},
            values=values,
            trees={
                factor: Tree(parent, tensors[f"tree.{factor}"]) for factor, parent in entry["trees"].items()
            },
            chains=tensors.get("chains"),
        )

    def _check_values(self, values: np.ndarray, rows: int, factor: str, name: str) -> None:
        if factor not in self.classes:
            raise ValueError(f"{name}: no such factor, there are {', '.join(self.classes) or 'none'}")
        _check_range(values, (rows,), NOT_STATED, len(self.classes[factor]), name)

    def _check_tree(self, factor: str, tree: Tree, name: str) -> None:
        for known in (factor, tree.parent):
            if known not in self.classes:
                raise ValueError(
                    f"{name}: no factor {known!r}, there are {', '.join(self.classes) or 'none'}"
                )
        _check_range(tree.parents, (len(self.classes[factor]),), 0, len(self.classes[tree.parent]), name)
        above, seen = tree.parent, [factor]
        while above in self.trees and above not in seen:
            seen.append(above)
            above = self.trees[above].parent
        if above in seen:
            raise ValueError(f"{name}: {' < '.join([*seen, above])}, a factor cannot lie above itself")

    def _check_agreement(self, factors: Mapping[str, np.ndarray], name: str) -> None:
        for factor, tree in self.trees.items():
            if factor not in factors or tree.parent not in factors:
                continue
            child, parent = factors[factor], factors[tree.parent]
            wrong = (child >= 0) & (parent >= 0) & (tree.parents[child] != parent)
            if wrong.any():
                row = int(np.argmax(wrong))
                raise ValueError(
                    f"{name} row {row}: {factor} {self.classes[factor][child[row]]!r} belongs to"
                    f" {tree.parent} {self.classes[tree.parent][tree.parents[child[row]]]!r},"
                    f" not to {self.classes[tree.parent][parent[row]]!r}"
                )


def _check_range(values: np.ndarray, shape: tuple[int, ...], low: int, high: int, name: str) -> None:
    """ValueError unless `values` is int64 of that shape (-1: any length of at least 1) in [low, high)."""
    fits = values.ndim == len(shape) and all(
        found == want or (want == -1 and found > 0) for found, want in zip(values.shape, shape, strict=True)
    )
    if not fits or values.dtype != np.int64:
        want = [size if size >= 0 else "any" for size in shape]
        raise ValueError(f"{name}: must be int64 {want}, found {values.dtype} {list(values.shape)}")
    wrong = (values < low) | (values >= high)
    if wrong.any():
        row = int(np.argwhere(wrong)[0, 0])
        raise ValueError(f"{name}, row {row}: {values[wrong][0]} must be from {low} to {high - 1}")
