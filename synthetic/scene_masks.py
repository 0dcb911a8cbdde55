"""True masks of drawn scenes: which thing each pixel belongs to, and which part of it.

Parts are what a kind is painted of: its body in the scene's colour and texture, then ink, white, green and
gold (eyes are white and ink, wheels, doors and outlines ink). A texture is no part.
"""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from synthetic.scene_drawing import FINE, SIDE, check_both, named, painted, where
from synthetic.scene_shapes import PAINTS


class Masks(NamedTuple):
    """Classes of pixels, both 0 where the place is seen.

    things: 1, and 2 for the lower one of two. parts: number of the paint + (thing - 1) · number of paints,
    so that parts of two things are two classes.
    """

    things: Int[np.ndarray, "n side side"]
    parts: Int[np.ndarray, "n side side"]


def masks(scenes: Int[np.ndarray, "n factors"], jitter: Float[np.ndarray, "n jitter"]) -> Masks:
    """The masks of the images that `scene_drawing.draw` gives for the same scenes and jitter.

    A pixel's class is what most of its points show. Raises ValueError for what `draw` refuses.
    """
    check_both(scenes, jitter)
    things = np.zeros((len(scenes), SIDE, SIDE), np.int64)
    parts = np.zeros_like(things)
    for thing, part, row, free in zip(things, parts, scenes, jitter.tolist(), strict=True):
        scene = named(row)
        side, corners = where(scene, free)
        paints = _shown(scene["kind"], side)
        seen = paints > 0
        for copy, (x, y) in enumerate(corners):
            here = slice(y, y + side), slice(x, x + side)
            thing[here][seen] = copy + 1
            part[here][seen] = paints[seen] + copy * len(PAINTS)
    return Masks(things, parts)


@functools.cache
def _shown(kind: str, side: int) -> Int[np.ndarray, "side side"]:
    """The paint of most points of each pixel; the first in `PAINTS` of equally many."""
    points = painted(kind, side).reshape(side, FINE, side, FINE)
    counts = np.stack([(points == paint).sum((1, 3)) for paint in range(len(PAINTS))])
    return counts.argmax(0)
