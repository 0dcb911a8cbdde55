"""How well segments of images fit true masks, and whether finer ones lie inside coarser ones."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

Segments = Int[np.ndarray, "n height width"]


def at_levels(superpixels: Segments, joined: Sequence[Int[np.ndarray, "n segments"]]) -> list[Segments]:
    """The segment of every pixel at every level, superpixels first; `joined` as in `mpsae.cast.network.Seen`."""
    levels = [np.asarray(superpixels)]
    for group in joined:
        flat = levels[-1].reshape(len(group), -1)
        levels.append(np.take_along_axis(np.asarray(group), flat, 1).reshape(levels[0].shape))
    return levels


def grid(rows: int, columns: int, *, like: Segments) -> Segments:
    """The control: cells of a regular grid, numbered along its rows, the same for every image of `like`."""
    _, height, width = like.shape
    cell = np.arange(height)[:, None] * rows // height * columns + np.arange(width) * columns // width
    return np.broadcast_to(cell, like.shape)


def owners(segments: Int[np.ndarray, "height width"], truth: Int[np.ndarray, "height width"]) -> np.ndarray:
    """The class of most pixels of each segment of an image; the lowest of equally many."""
    return _shared(segments, truth).argmax(1)


def miou(segments: Segments, truth: Segments) -> float:
    """Mean over images of the mean over classes present of |A ∩ B| / |A ∪ B|, in [0, 1].

    A: the pixels of the class. B: those of all segments most of whose pixels are of it. The truth itself names
    the segments, so this is the most that naming segments could reach, as in the achievable segmentation
    accuracy of superpixels; it tells nothing of names. Finer segments reach more of it, whatever they follow:
    compare with as many cells of `grid`.
    """
    found = []
    for one, true in zip(segments, truth, strict=True):
        shared = _shared(one, true)
        named = np.eye(shared.shape[1], dtype=bool)[shared.argmax(1)]
        both = (shared * named).sum(0)
        either = shared.sum(0) + (shared.sum(1)[:, None] * named).sum(0) - both
        present = shared.sum(0) > 0
        found.append((both[present] / either[present]).mean())
    return float(np.mean(found))


def nesting(fine: Segments, coarse: Segments) -> float:
    """Share of the fine segments, of all images, that lie inside one coarse segment; 1 where fine ones are merged."""
    inside = total = 0
    for one, other in zip(fine, coarse, strict=True):
        shared = _shared(one, other) > 0
        there = shared.any(1)
        inside += (shared.sum(1)[there] == 1).sum()
        total += there.sum()
    return float(inside / total)


def _shared(one: np.ndarray, other: np.ndarray) -> Int[np.ndarray, "segments classes"]:
    """How many pixels each segment of one has in common with each of the other."""
    counts = np.zeros((one.max() + 1, other.max() + 1), np.int64)
    np.add.at(counts, (one.ravel(), other.ravel()), 1)
    return counts
