"""Latents as detectors of classes: areas under ROC curves and best thresholds, for all latents at once.

Codes are sparse, so a pass sorts only the entries that are not 0; zeros of a latent share one rank.
"""

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int


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
        order = np.lexsort((-codes.data, self.latent))
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


class Detector(NamedTuple):
    """Per class the latent and the threshold of largest F1; latent -1 where none fires on a member."""

    latent: Int[np.ndarray, " classes"]
    threshold: Float[np.ndarray, " classes"]


def best_detectors(ranked: Ranked, label: Int[np.ndarray, " n"], classes: int) -> Detector:
    """For each class the (latent, t > 0) whose prediction z >= t has the largest F1, the first of equals.

    Only members' own codes are tried as t: between two of them a lower t adds nothing but errors.
    """
    fired, own = ranked.ties[1] + 1, label[ranked.row]
    kept = np.flatnonzero((ranked.value > 0) & (own >= 0))
    own, fired = own[kept], fired[kept]
    group = ranked.latent[kept] * classes + own
    order = np.argsort(group, kind="stable")
    begins = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(begins, append=len(order))
    hits = np.empty(len(order))
    hits[order] = np.arange(len(order)) - np.repeat(begins, sizes) + 1
    f1 = 2 * hits / (fired + np.bincount(label[label >= 0], minlength=classes)[own])
    best = np.full(classes, -1.0)
    np.maximum.at(best, own, f1)
    winners = np.flatnonzero(f1 == best[own])
    found, place = np.unique(own[winners], return_index=True)
    latent, threshold = np.full(classes, -1), np.full(classes, np.inf)
    chosen = kept[winners[place]]
    latent[found], threshold[found] = ranked.latent[chosen], ranked.value[chosen]
    return Detector(latent, threshold)


def f1_of(ranked: Ranked, label: Int[np.ndarray, " n"], detector: Detector) -> Float[np.ndarray, " classes"]:
    """2 hits / (predictions + members) of each class's detector; 0 without a hit, NaN without a member."""
    predicted = ranked.codes[:, detector.latent].toarray() >= detector.threshold
    member = label[:, None] == np.arange(len(detector.latent))
    members = member.sum(0).astype(np.float64)
    hits = (predicted & member).sum(0)
    return 2 * hits / (predicted.sum(0) + np.where(members > 0, members, np.nan))
