"""A trained CAST at work: rows and segments of any number of images, so many at a time."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree, UInt8

from mpsae.cast.network import DIM, Cast, Seen
from mpsae.cast.segments import Segments, at_levels
from mpsae.cast.superpixels import superpixels

BATCH = 64  # images at a time, always as many: one compiled program


@dataclasses.dataclass(frozen=True)
class Vision:
    """Rows and segments by these params; neither depends on the images beside an image."""

    params: PyTree

    def rows(self, images: UInt8[np.ndarray, "n side side 3"]) -> Float[np.ndarray, "n dim"]:
        """Unit float32 rows."""
        parts = _parts(lambda block: _seen(self.params, block)[0].row, images)
        return np.concatenate([np.zeros((0, DIM), np.float32), *parts])

    def segments(self, images: UInt8[np.ndarray, "n side side 3"]) -> list[Segments]:
        """The segment of every pixel at every level, superpixels first."""
        parts = [
            at_levels(groups, seen.joined)
            for seen, groups in _parts(functools.partial(_seen, self.params), images)
        ]
        return [np.concatenate(level) for level in zip(*parts, strict=True)]

    def superpixels(self, images: UInt8[np.ndarray, "n side side 3"], rows: int, columns: int) -> Segments:
        """Superpixels that began as this grid, in which the params have no part."""
        return np.concatenate(_parts(lambda block: _superpixels(block, rows=rows, columns=columns), images))


def _parts(work: Callable[[np.ndarray], Any], images: np.ndarray) -> list[Any]:
    """`work` of BATCH images at a time, the last ones filled up with the first and cut off again."""
    found = []
    for start in range(0, len(images), BATCH):
        block = np.resize(images[start : start + BATCH], (BATCH, *images.shape[1:]))
        kept = min(BATCH, len(images) - start)
        found.append(jax.tree.map(lambda array, kept=kept: np.asarray(array)[:kept], work(block)))
    return found


@jax.jit
def _seen(params: PyTree, images: UInt8[Array, "n side side 3"]) -> tuple[Seen, Array]:
    groups = superpixels(images / 255)
    found = Cast().apply({"params": params}, images / 255, groups)
    assert isinstance(found, Seen)  # not a pair: no collection is asked to change
    return found, groups


@functools.partial(jax.jit, static_argnames=("rows", "columns"))
def _superpixels(images: UInt8[Array, "n side side 3"], *, rows: int, columns: int) -> Array:
    return superpixels(images / 255, rows=rows, columns=columns)
