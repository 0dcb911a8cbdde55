"""Two different things in one scene: is the crop of one taken for the other?

Scenes have two things of one kind alone, so two drawings that differ in nothing but the kind are cut in half and
put together: each thing stands in a half of its own.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from mpsae.cast.segments import Segments
from synthetic.scene_captions import captions
from synthetic.scene_drawing import SIDE, draw
from synthetic.scene_masks import masks
from synthetic.scenes import FACTORS, jitter, sample

STREAM = 1 << 34  # no step of a training and no scenes to embed have this number
GREY = 140  # around a crop: the grey wall's
KIND, COUNT = (list(FACTORS).index(name) for name in ("kind", "count"))


class Mixed(NamedTuple):
    """`things`: 1 the upper, 2 the lower, 0 the place. `said`: captions that name the upper kind, the lower kind."""

    images: UInt8[np.ndarray, "n side side 3"]
    things: Segments
    said: tuple[list[str], list[str]]


def mixed(n: int, seed: int) -> Mixed:
    """n scenes with a thing of one kind above a thing of another, equal in all else; captions are of one thing."""
    rng = np.random.default_rng((seed, STREAM))
    upper = sample(n, rng)
    upper[:, COUNT] = 1
    lower = upper.copy()
    lower[:, KIND] = (upper[:, KIND] + rng.integers(1, len(FACTORS["kind"]), n)) % len(FACTORS["kind"])
    free = jitter(n, rng)
    halves, things = [], []
    for scenes, half in ((upper, slice(0, SIDE // 2)), (lower, slice(SIDE // 2, SIDE))):
        halves.append(draw(scenes, free)[:, half])
        things.append(masks(scenes, free).things[:, half])
    alone = [np.where(np.arange(len(FACTORS)) == COUNT, 0, scenes) for scenes in (upper, lower)]
    upper_said, lower_said = (captions(scenes, "kind") for scenes in alone)
    return Mixed(np.concatenate(halves, 1), np.concatenate(things, 1), (upper_said, lower_said))


def crops(scenes: Mixed, segments: Segments) -> tuple[UInt8[np.ndarray, "2 n side side 3"], np.ndarray]:
    """The crop of each thing, grey outside of its segments, and whether it has any [2, n].

    A segment is that thing's of which it holds more pixels, the upper one's of equally many, and nobody's when
    it holds none.
    """
    whose = np.zeros_like(segments)
    for place, one, things in zip(whose, segments, scenes.things, strict=True):
        held = np.stack([np.bincount(one[things == thing], minlength=one.max() + 1) for thing in (1, 2)])
        owner = np.where(held.any(0), held.argmax(0) + 1, 0)
        place[:] = owner[one]
    found = [np.where((whose == thing)[..., None], scenes.images, GREY).astype(np.uint8) for thing in (1, 2)]
    return np.stack(found), np.stack([(whose == thing).any((1, 2)) for thing in (1, 2)])


def leakage(
    rows: Float[np.ndarray, "2 n dim"],
    texts: Float[np.ndarray, "2 n dim"],
    there: np.ndarray,
) -> float:
    """Share of things labelled as the other thing: whose crop is nearer (cosine of unit rows) to the other's caption.

    `there` [2, n]: a thing without a crop counts, its pixels being in the other's. 0 at best, 1/2 by chance
    where every thing has a crop.
    """
    own, other = ((rows * texts[order]).sum(-1) for order in ([0, 1], [1, 0]))
    return float(((other > own) | ~there).mean())
