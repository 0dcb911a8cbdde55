"""What is known of the items kept whole, pairs or plain rows, ready for metrics about factors (values, no metric)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from mpsae.bounds import check_table
from mpsae.labels import Labels
from mpsae.metrics.base import shared
from mpsae.ranking import Ranked

HALVES_KEY, SHUFFLE_KEY = 0x68616C76, 0x73687566  # any two distinct numbers
SIDES = ("image", "text")


class Factor(NamedTuple):
    """A factor's class of each of the N items, -1 where unknown, and the same shuffled."""

    name: str
    label: Int[np.ndarray, " N"]
    shuffled: Int[np.ndarray, " N"]

    @property
    def classes(self) -> int:
        """One more than the largest class among the items."""
        return int(self.label.max(initial=-1)) + 1


@shared
def factors(parts, labels):
    """Every Factor, in the order of their names. One shuffle for all, so that trees stay trees."""
    count = parts.items
    order = philox_order(SHUFFLE_KEY, count)
    known = {name: np.asarray(labels.of[name][:count], np.int64) for name in sorted(labels.of)}
    return [Factor(name, label, label[order]) for name, label in known.items()]


@shared
def halves(parts):
    """[2, N] which items are in either half: the one to choose on and the one to score."""
    first = philox_order(HALVES_KEY, parts.items) % 2 == 0
    return np.stack([first, ~first])


class Tree(NamedTuple):
    """A factor's labels and the path between its classes; by coarser factors only where they are known too."""

    name: str
    label: Int[np.ndarray, " N"]
    shuffled: Int[np.ndarray, " N"]
    between: Float[np.ndarray, "classes classes"]  # edges


def leaf_trees(factors: list[Factor], labels: Labels) -> list[Tree]:
    """A Tree for every factor that is no other's parent or has a graph of its own.

    A graph says how far apart classes are, else the coarser factors do; with neither, classes are a star.
    Raises ValueError where a class has two classes of the coarser factor.
    """
    by_name, parent = {factor.name: factor for factor in factors}, dict(labels.parent)
    found = []
    for leaf in factors:
        check_table(leaf.classes, leaf.classes)
        if leaf.name in labels.between:
            between = np.asarray(labels.between[leaf.name], np.float64)
            found.append(Tree(leaf.name, leaf.label, leaf.shuffled, between))
            continue
        if leaf.name in parent.values():
            continue
        chain = [leaf]
        while chain[-1].name in parent:
            chain.append(by_name[parent[chain[-1].name]])
        label, mixed = (
            _where_all(levels) for levels in zip(*((f.label, f.shuffled) for f in chain), strict=True)
        )
        between = np.full((leaf.classes, leaf.classes), 2.0 * len(chain))  # over a root above all
        ancestor = np.arange(leaf.classes)
        for height, (finer, coarser) in enumerate(zip(chain, chain[1:], strict=False), 1):
            above = _only_parents(finer, coarser, labels)
            ancestor = np.where(ancestor >= 0, above[ancestor], -1)
            meet = ancestor[:, None] == ancestor
            between[meet] = np.minimum(between[meet], 2.0 * height)
        np.fill_diagonal(between, 0.0)
        found.append(Tree(leaf.name, label, mixed, between))
    return found


def _where_all(levels: tuple[np.ndarray, ...]) -> np.ndarray:
    """The first of the labels where every one is known, else -1."""
    return np.where(np.all([level >= 0 for level in levels], axis=0), levels[0], -1)


def _only_parents(finer: Factor, coarser: Factor, labels: Labels) -> np.ndarray:
    """[classes] the coarser class of each class, -1 where no item shows it."""
    known = (finer.label >= 0) & (coarser.label >= 0)
    pairs = np.unique(np.stack([finer.label[known], coarser.label[known]], axis=1), axis=0)
    twice = pairs[1:][np.diff(pairs[:, 0]) == 0]
    if len(twice):
        child = int(twice[0, 0])
        name = dict(labels.classes).get(finer.name, ())
        raise ValueError(
            f"labels.parent: class {name[child] if name else child!r} of {finer.name!r} is found with"
            f" several classes of {coarser.name!r}; a coarser factor must be decided by the finer one"
        )
    above = np.full(finer.classes, -1)
    above[pairs[:, 0]] = pairs[:, 1]
    return above


class Sides:
    """The codes of each side, and of `both`, one below the other, where there are two; sorted once per set of items.

    whole: the name of what holds the codes of all sides.
    """

    def __init__(self, codes: Mapping[str, Any]):
        from scipy.sparse import vstack

        self.codes = dict(codes)
        if len(codes) > 1:
            self.codes["both"] = vstack(list(codes.values()), format="csr")
        self.whole = list(self.codes)[-1]
        self.live = {side: _live(codes) for side, codes in self.codes.items()}
        self._ranked: dict[tuple[str, bytes], Ranked] = {}

    def ranked(self, side: str, items: Bool[np.ndarray, " N"]) -> Ranked:
        """The codes of some items in order."""
        key = side, items.tobytes()
        if key not in self._ranked:
            self._ranked[key] = Ranked(self.codes[side][np.flatnonzero(on_side(side, items))])
        return self._ranked[key]


@shared
def sides(parts):
    """The Sides of the items."""
    return Sides({name: rows.z.tocsr() for name, rows in parts.sides.items()})


def _live(codes: Any) -> Bool[np.ndarray, " p"]:
    """Latents that fire, and with finite codes only."""
    entries, broken = (
        np.bincount(codes.indices[kept], minlength=codes.shape[1])
        for kept in (codes.data != 0, ~np.isfinite(codes.data))
    )
    return (entries > 0) & (broken == 0)


def on_side(side: str, of_items: np.ndarray) -> np.ndarray:
    """What is known of items [N, ...], for the rows of a side."""
    return np.concatenate([of_items, of_items]) if side == "both" else of_items


def philox_order(key: int, count: int) -> np.ndarray:
    """A permutation of range(count), the same on every machine: Philox words are."""
    words = np.random.Philox(key=key).random_raw(count)
    return np.argsort(words, kind="stable")
