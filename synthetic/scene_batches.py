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
# What a group is about: the chance that it varies each factor. Kind and surface are what a random
# batch does not teach.
ABOUT = {
    "kind": dict(zip(FACTORS, (1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1), strict=True)),
    "surface": dict(zip(FACTORS, (0.15, 0.3, 0.7, 1.0, 0.4, 0.4, 0.2, 0.1), strict=True)),
    "all": dict(zip(FACTORS, (0.5, 0.4, 0.6, 0.6, 0.6, 0.5, 0.5, 0.3), strict=True)),
}
# The groups of a batch, in turn.
TURNS = ("kind", "surface", "all", "kind", "surface", "kind", "surface", "all")
# How often training hears each level; a parent is learnt from the captions that name it.
HEARD = {"root": 0.02, "domain": 0.1, "family": 0.14, "kind": 0.2, "full": 0.54}
DROP = 0.15


def scenes_of_batch(groups: int, rng: np.random.Generator) -> Int[np.ndarray, "n factors"]:
    """groups × 16 scenes, none of a held-out combination; what the groups are about follows `TURNS`."""
    return np.concatenate([_group(ABOUT[TURNS[i % len(TURNS)]], rng) for i in range(groups)])


def heard(scenes: Int[np.ndarray, "n factors"], rng: np.random.Generator) -> list[str]:
    """A caption per scene at a level drawn from `HEARD`, some factors left out."""
    levels = np.searchsorted(np.cumsum(list(HEARD.values()))[:-1], rng.random(len(scenes)))
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
