"""Latents as detectors of classes: areas under ROC curves and best thresholds, for all latents at once.

Codes are sparse, so a pass sorts only the entries that are not 0; zeros of a latent share one rank.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from mpsae.bounds import rows_per_block


class Ranked:
    """The entries of scipy.sparse codes [n, p] that are not 0: latent by latent, the largest first."""

    def __init__(self, codes: Any):
        codes = codes.tocsc(copy=True)
        codes.eliminate_zeros()
        codes.sort_indices()  # equal values go by their row
        self.codes = codes
        self.rows, self.width = codes.shape
        self.start = codes.indptr[:-1]
        self.count = np.diff(codes.indptr)
        self.latent = np.repeat(np.arange(self.width), self.count)
        # By value, then stably by latent: as lexsort, but short integers are sorted in linear time.
        order = np.argsort(-codes.data, kind="stable")
        order = order[_by_number(self.latent[order], self.width)]
        self.row, self.value = codes.indices[order], codes.data[order]

    @cached_property
    def place(self) -> Int[np.ndarray, " entries"]:
        """0, 1, ... of each entry within its latent."""
        return np.arange(len(self.latent)) - self.start[self.latent]

    @cached_property
    def ties(self) -> tuple[Int[np.ndarray, " entries"], Int[np.ndarray, " entries"]]:
        """The places of the first and the last entry of the same latent and value."""
        new = np.ones(len(self.latent), bool)
        new[1:] = (np.diff(self.latent) != 0) | (np.diff(self.value) != 0)
        first = np.flatnonzero(new)
        sizes = np.diff(first, append=len(new))
        place = np.repeat(self.place[first], sizes)
        return place, place + np.repeat(sizes - 1, sizes)

    @cached_property
    def ranks(self) -> tuple[Any, Float[np.ndarray, " p"]]:
        """(rank of each entry relative to that of a zero, scipy.sparse [p, n]; rank of a zero).

        1 = largest, ties have their middle. Relative, so that a product need not visit the zeros.
        """
        from scipy.sparse import csr_array

        first, last = self.ties
        zeros = self.rows - self.count
        rank = (first + last) / 2 + 1 + np.where(self.value < 0, zeros[self.latent], 0)
        positive = np.bincount(self.latent[self.value > 0], minlength=self.width)
        of_zero = positive + (zeros + 1) / 2
        relative = rank - of_zero[self.latent]
        return csr_array((relative, self.row, self.codes.indptr), shape=(self.width, self.rows)), of_zero


def auroc(ranked: Ranked, member: Bool[np.ndarray, "n classes"]) -> Float[np.ndarray, "p classes"]:
    """P(code on a member > code on another row), ties 1/2; [0, 1], NaN for none or all as members.

    1 - (Σ of the members' ranks, largest first, - m(m+1)/2) / (m(n-m)).
    """
    relative, of_zero = ranked.ranks
    count = member.sum(0).astype(np.float64)
    ranks = relative @ member.astype(np.float64) + of_zero[:, None] * count
    pairs = count * (ranked.rows - count)
    return 1 - (ranks - count * (count + 1) / 2) / np.where(pairs > 0, pairs, np.nan)


class Detectors(NamedTuple):
    """Predictions z >= threshold of largest F1 for their class; all of them, where several are equal."""

    latent: Int[np.ndarray, " detectors"]
    threshold: Float[np.ndarray, " detectors"]
    detects: Int[np.ndarray, " detectors"]  # the class


def best_detectors(ranked: Ranked, label: Int[np.ndarray, " n"], classes: int) -> Detectors:
    """For each class every (latent, t > 0) of the largest F1; none for a class that nothing fires on.

    One t for each member: half-way from its code to the next smaller one, of any row, or to 0.
    """
    fired, own = ranked.ties[1] + 1, label[ranked.row]
    kept = np.flatnonzero((ranked.value > 0) & (own >= 0))
    own, fired = own[kept], fired[kept]
    order = _by_number(own, classes)  # a class's entries are in the order of latents then
    group = (own * ranked.width + ranked.latent[kept])[order]
    begins = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(begins, append=len(order))
    hits = np.empty(len(order))
    hits[order] = np.arange(len(order)) - np.repeat(begins, sizes) + 1
    f1 = 2 * hits / (fired + np.bincount(label[label >= 0], minlength=classes)[own])
    best = np.full(classes, -1.0)
    np.maximum.at(best, own, f1)
    winners = np.flatnonzero(f1 == best[own])
    chosen = kept[winners]
    return Detectors(ranked.latent[chosen], _below(ranked, chosen), own[winners])


def f1_of(
    ranked: Ranked, label: Int[np.ndarray, " n"], classes: int, detectors: Detectors
) -> Float[np.ndarray, " classes"]:
    """2 hits / (predictions + members), mean over a class's detectors; 0 without one, NaN without a member."""
    count = len(detectors.latent)
    hits, predictions = np.empty(count), np.empty(count)
    step = rows_per_block(ranked.rows)
    for start in range(0, count, step):
        part = slice(start, start + step)
        latent, threshold, number = (field[part] for field in detectors)
        predicted = ranked.codes[:, latent].toarray() >= threshold
        hits[part] = (predicted & (label[:, None] == number)).sum(0)
        predictions[part] = predicted.sum(0)
    members = np.bincount(label[label >= 0], minlength=classes).astype(np.float64)
    members[members == 0] = np.nan
    f1 = 2 * hits / (predictions + members[detectors.detects])
    equals = np.bincount(detectors.detects, minlength=classes)
    total = np.bincount(detectors.detects, weights=f1, minlength=classes)
    return np.where(np.isnan(members), np.nan, total / np.maximum(equals, 1))


def _below(ranked: Ranked, entries: Int[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """The middle between each entry and the next smaller one of its latent, or 0."""
    latent = ranked.latent[entries]
    place = ranked.ties[1][entries] + 1
    after = np.minimum(ranked.start[latent] + place, len(ranked.value) - 1)
    smaller = np.where(place < ranked.count[latent], np.maximum(ranked.value[after], 0.0), 0.0)
    return (ranked.value[entries] + smaller) / 2


def _by_number(numbers: Int[np.ndarray, " n"], end: int) -> Int[np.ndarray, " n"]:
    """The stable order of numbers below `end`."""
    return np.argsort(numbers.astype(np.min_scalar_type(end)), kind="stable")
