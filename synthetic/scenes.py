"""Captioned scenes: their factors, the trees above them, and which combinations nobody trains on.

A scene is a row of `FACTORS`: one kind of thing, drawn once or twice, with hue, shade, texture,
size, column and place. `scene_drawing` draws it, `scene_captions` says it. All is numpy.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

Tree = dict[str, tuple[str, ...]]  # parent: its children

# Siblings share something that can be seen (`scene_shapes`).
FAMILIES: Tree = {
    "animal": ("cat", "bird", "ant", "caterpillar"),
    "plant": ("pine", "flower", "cactus", "bush"),
    "vehicle": ("car", "cart", "bus", "train"),
    "building": ("house", "lighthouse", "castle", "mill"),
    "polygon": ("triangle", "square", "hexagon", "star"),
    "curve": ("circle", "ring", "crescent", "heart"),
}
DOMAINS: Tree = {
    "living": ("animal", "plant"),
    "made": ("vehicle", "building"),
    "abstract": ("polygon", "curve"),
}
WARMTHS: Tree = {
    "warm": ("red", "orange", "yellow", "pink"),
    "cool": ("green", "teal", "blue", "purple"),
}
PATTERNS: Tree = {"plain": ("solid",), "patterned": ("striped", "dotted", "checked")}
SETTINGS: Tree = {"outdoor": ("sea", "forest", "desert", "snow"), "indoor": ("white", "gray", "black")}


def _below(tree: Tree) -> tuple[str, ...]:
    return tuple(name for children in tree.values() for name in children)


# What a scene is made of, in the order of its columns; the parents below follow from these.
FACTORS: dict[str, tuple[str, ...]] = {
    "kind": _below(FAMILIES),
    "hue": _below(WARMTHS),
    "shade": ("light", "dark"),
    "texture": _below(PATTERNS),
    "size": ("small", "large"),
    "column": ("left", "center", "right"),
    "count": ("one", "two"),
    "place": _below(SETTINGS),
}
# parent factor: (the factor directly below it, the tree)
PARENTS: dict[str, tuple[str, Tree]] = {
    "family": ("kind", FAMILIES),
    "domain": ("family", DOMAINS),
    "warmth": ("hue", WARMTHS),
    "pattern": ("texture", PATTERNS),
    "setting": ("place", SETTINGS),
}
NAMES: dict[str, tuple[str, ...]] = FACTORS | {name: tuple(tree) for name, (_, tree) in PARENTS.items()}
SIZES = tuple(map(len, FACTORS.values()))
COMBINATIONS = int(np.prod(SIZES))
JITTER = 8  # uniform numbers per scene: all that differs between two drawings of one combination


def sample(n: int, rng: np.random.Generator) -> Int[np.ndarray, "n factors"]:
    """n scenes, every factor uniform and independent of the others; n·8 integers from `rng`."""
    return rng.integers(0, SIZES, (n, len(SIZES)))


def jitter(n: int, rng: np.random.Generator) -> Float[np.ndarray, "n jitter"]:
    """Uniform numbers in [0, 1) for `draw`; the rows of a shorter draw begin a longer one."""
    return rng.random((n, JITTER))


def labels(scenes: Int[np.ndarray, "n factors"]) -> dict[str, Int[np.ndarray, " n"]]:
    """Every factor and every parent as int32 numbers into `NAMES`, keyed and ordered like `NAMES`.

    Raises ValueError for rows that are not scenes.
    """
    check(scenes)
    known = {name: scenes[:, column].astype(np.int32) for column, name in enumerate(FACTORS)}
    for parent in PARENTS:
        known[parent] = parent_of(parent)[known[PARENTS[parent][0]]]
    return known


def parent_of(parent: str) -> Int[np.ndarray, " children"]:
    """For each value of the factor below `parent`, the number of the value above it."""
    below, tree = PARENTS[parent]
    above = {child: number for number, children in enumerate(tree.values()) for child in children}
    return np.array([above[child] for child in NAMES[below]], np.int32)


def combination(scenes: Int[np.ndarray, "n factors"]) -> Int[np.ndarray, " n"]:
    """The number of each scene's factor combination, 0 to `COMBINATIONS` - 1."""
    check(scenes)
    return np.ravel_multi_index(tuple(np.asarray(scenes).T), SIZES)


def held_out(scenes: Int[np.ndarray, "n factors"]) -> Bool[np.ndarray, " n"]:
    """True for the one in ten combinations that training never sees, by a hash of the combination.

    The finaliser of splitmix64, so neighbours in the table of combinations fall independently.
    """
    mixed = combination(scenes).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed ^ (mixed >> np.uint64(31))) % np.uint64(10) == 0


def distinct(n: int, rng: np.random.Generator, *, unseen: bool) -> Int[np.ndarray, "n factors"]:
    """n different combinations, all of them held out (`unseen`) or none.

    Raises ValueError when there are not that many.
    """
    every = np.stack(np.unravel_index(np.arange(COMBINATIONS), SIZES), axis=1)
    allowed = np.flatnonzero(held_out(every) == unseen)
    if n > len(allowed):
        side = "held-out" if unseen else "training"
        raise ValueError(f"n = {n}: there are only {len(allowed)} {side} combinations")
    # A stable argsort of uniforms, not `choice`: the former has kept its stream, the latter has not.
    return every[allowed[np.argsort(rng.random(len(allowed)), kind="stable")[:n]]]


def check(scenes: Int[np.ndarray, "n factors"]) -> None:
    """Refuse, by ValueError, what is not rows of numbers into `FACTORS`."""
    scenes = np.asarray(scenes)
    if scenes.ndim != 2 or scenes.shape[1] != len(SIZES) or scenes.dtype.kind not in "iu":
        raise ValueError(
            f"scenes: must be whole numbers [n, {len(SIZES)}], found {scenes.dtype} {scenes.shape}"
        )
    for name, count, column in zip(FACTORS, SIZES, scenes.T, strict=True):
        if len(column) and not (column.min() >= 0 and column.max() < count):
            raise ValueError(
                f"scenes: {name} must lie in 0 to {count - 1}, found {column.min()} to {column.max()}"
            )
