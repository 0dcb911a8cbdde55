"""Training batches whose scenes are hard to tell apart, so that every factor has to be learned.

Place, hue and column tell a random batch apart, and then nothing rewards seeing the kind
(measured: retrieval .96, kind of 24 at .24). So a batch is made of groups within which factors
are frozen: in most of them only the kind and a factor or two vary.
"""

import numpy as np
from jaxtyping import Int

from synthetic.scene_captions import LEVELS, captions
from synthetic.scenes import FACTORS, SIZES, held_out, sample

GROUP = 16  # scenes
# Chance that a group varies each factor, for groups about the kind and for the others.
ABOUT_KIND = {
    "kind": 1.0,
    "hue": 0.1,
    "shade": 0.06,
    "texture": 0.1,
    "size": 0.1,
    "column": 0.1,
    "count": 0.1,
    "place": 0.1,
}
ABOUT_ALL = {
    "kind": 0.5,
    "hue": 0.4,
    "shade": 0.6,
    "texture": 0.6,
    "size": 0.6,
    "column": 0.5,
    "count": 0.5,
    "place": 0.3,
}
# How often training hears each level; parents are heard as often as they are asked for.
HEARD = {"root": 0.03, "domain": 0.14, "family": 0.2, "kind": 0.23, "full": 0.4}
DROP = 0.15


def scenes_of_batch(groups: int, about_kind: float, rng: np.random.Generator) -> Int[np.ndarray, "n factors"]:
    """groups × 16 scenes, none of a held-out combination; the first `about_kind` of the groups are about it."""
    return np.concatenate(
        [_group(ABOUT_KIND if i < about_kind * groups else ABOUT_ALL, rng) for i in range(groups)]
    )


def heard(scenes: Int[np.ndarray, "n factors"], rng: np.random.Generator) -> list[str]:
    """A caption per scene at a level drawn from `HEARD`, some factors left out."""
    levels = np.searchsorted(np.cumsum(list(HEARD.values())), rng.random(len(scenes)))
    words = np.empty(len(scenes), object)
    for number, level in enumerate(LEVELS):
        rows = np.flatnonzero(levels == number)
        words[rows] = captions(scenes[rows], level, drop=DROP, rng=rng)
    return list(words)


def _group(varies: dict[str, float], rng: np.random.Generator) -> Int[np.ndarray, "n factors"]:
    free = np.zeros(len(SIZES), bool)
    while np.prod(np.array(SIZES)[free]) < GROUP:  # else the group repeats itself
        free = rng.random(len(SIZES)) < list(varies.values())
    many = sample(4 * GROUP, rng)
    if free[0]:  # each kind equally often: chance repeats would be positives counted as negatives
        many[:, 0] = np.concatenate([rng.permutation(len(FACTORS["kind"])) for _ in range(3)])[: len(many)]
    many = np.where(free, many, many[0])
    many = many[~held_out(many)]
    return many[:GROUP] if len(many) >= GROUP else _group(varies, rng)
