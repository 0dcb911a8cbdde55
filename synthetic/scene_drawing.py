"""Scenes drawn as small images, by numpy alone: the same numbers in give the same bytes out."""

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from synthetic import scene_shapes
from synthetic.scenes import DOMAINS, FACTORS, FAMILIES, JITTER, check

SIDE = 64  # pixels
FINE = 4  # shapes are rasterised this much finer and averaged
MARGIN = 0.03
# Side of one thing as a share of the image, by (count, size); two things stand above each other.
SHARE = {("one", "small"): 0.54, ("one", "large"): 0.76, ("two", "small"): 0.36, ("two", "large"): 0.46}
HUES = {
    "red": (225, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (240, 215, 50),
    "pink": (245, 110, 180),
    "green": (50, 170, 70),
    "teal": (30, 175, 175),
    "blue": (50, 90, 225),
    "purple": (140, 60, 200),
}
PAINT = {"ink": (20, 20, 25), "white": (250, 250, 250), "green": (40, 130, 50), "gold": (255, 200, 40)}
WALLS = {"white": 235.0, "gray": 140.0, "black": 50.0}


class Sprite(NamedTuple):
    """One kind at one size. A pixel shows `body` of the scene's colour, `paint`, and the rest of the place."""

    body: Float[np.ndarray, "side side 1"]
    paint: Float[np.ndarray, "side side 3"]
    cover: Float[np.ndarray, "side side 1"]


def draw(
    scenes: Int[np.ndarray, "n factors"], jitter: Float[np.ndarray, "n jitter"]
) -> UInt8[np.ndarray, "n side side 3"]:
    """Images of 64 × 64 pixels, RGB.

    `jitter` moves, scales and tints what it draws, slightly: everything of an image that is not a
    factor. Row i depends on row i alone. Raises ValueError for rows that are not scenes or a jitter
    that does not match them.
    """
    check_both(scenes, jitter)
    images = np.empty((len(scenes), SIDE, SIDE, 3), np.uint8)
    for image, scene, free in zip(images, scenes, jitter.tolist(), strict=True):
        image[:] = _draw_one(named(scene), free)
    return images


def check_both(scenes: Int[np.ndarray, "n factors"], jitter: Float[np.ndarray, "n jitter"]) -> None:
    """Refuse, by ValueError, rows that are not scenes or a jitter that does not match them."""
    check(scenes)
    if jitter.shape != (len(scenes), JITTER):
        raise ValueError(f"jitter: must have shape {(len(scenes), JITTER)}, found {jitter.shape}")


def named(scene: Int[np.ndarray, " factors"]) -> dict[str, str]:
    """The factors of one scene by their names."""
    return {name: names[i] for (name, names), i in zip(FACTORS.items(), scene, strict=True)}


def _draw_one(scene: dict[str, str], free: list[float]) -> UInt8[np.ndarray, "side side 3"]:
    *_, phase, ground, grain, tint, _ = free
    canvas = _place(scene["place"], int(ground * PHASES)) + _grain(int(grain * GRAIN))
    side, corners = where(scene, free)
    sprite = _sprite(scene["kind"], side)
    pattern = _texture(scene["texture"], int(phase * PHASES))[:side, :side]
    colour, second = _colours(scene["hue"], scene["shade"], tint)
    filled = sprite.paint + sprite.body * (second + pattern * (colour - second))
    for x, y in corners:
        spot = canvas[y : y + side, x : x + side]
        spot *= 1 - sprite.cover
        spot += filled
    return np.clip(canvas, 0, 255).astype(np.uint8)


def where(scene: dict[str, str], free: list[float]) -> tuple[int, list[tuple[int, int]]]:
    """The side of the square that each thing of a scene fills, and the left and top pixel of each, upper one first."""
    shift_x, shift_y, scale, *_ = free
    copies = 1 + FACTORS["count"].index(scene["count"])
    side = round(SIDE * SHARE[scene["count"], scene["size"]] * (0.95 + 0.1 * scale))
    low, high = MARGIN * SIDE, (1 - MARGIN) * SIDE - side
    left = low + (high - low) * FACTORS["column"].index(scene["column"]) / 2 + 3 * (shift_x - 0.5)
    gap = SIDE / 2 if copies == 2 else 0.0
    top = (SIDE - side - gap) / 2 + (5 if copies == 1 else 1) * (shift_y - 0.5)
    tops = [top + copy * gap for copy in range(copies)]
    return side, [(_inside(left, side), _inside(at, side)) for at in tops]


def _inside(at: float, side: int) -> int:
    return min(max(round(at), 0), SIDE - side)


def _colours(hue: str, shade: str, tint: float) -> tuple[np.ndarray, np.ndarray]:
    """The scene's colour and the second tone of its texture: further from the middle than the first."""
    colour = np.array(HUES[hue], np.float32) * np.float32(0.94 + 0.12 * tint)
    if shade == "light":
        return colour * 0.7 + 255 * 0.3, colour * 0.05 + 255 * 0.95
    return colour * 0.65, colour * 0.1


@functools.cache
def painted(kind: str, side: int) -> Int[np.ndarray, "fine fine"]:
    """Which of `scene_shapes.PAINTS` each of a kind's points has, FINE of them to a pixel; 0 where it is not."""
    at = (np.arange(side * FINE) + 0.5) / (side * FINE)
    x, y = np.meshgrid(at, at)
    paints = np.zeros(x.shape, np.int64)
    for paint, shape, numbers in scene_shapes.KINDS[kind]:
        paints[SHAPES[shape](x, y, numbers)] = scene_shapes.PAINTS.index(paint)
    family = next(name for name, kinds in FAMILIES.items() if kind in kinds)
    domain = next(name for name, families in DOMAINS.items() if family in families)
    around = _grown(paints > 0, max(FINE, round(0.025 * side * FINE))) & (paints == 0)
    paints[around] = scene_shapes.PAINTS.index(scene_shapes.OUTLINES[domain])
    return paints


@functools.cache
def _sprite(kind: str, side: int) -> Sprite:
    paints = painted(kind, side)
    palette = np.array([PAINT.get(paint, (0, 0, 0)) for paint in scene_shapes.PAINTS], np.float32)
    return Sprite(
        body=_averaged((paints == scene_shapes.PAINTS.index("body"))[..., None]),
        paint=_averaged(palette[paints]),
        cover=_averaged((paints > 0)[..., None]),
    )


def _averaged(fine: np.ndarray) -> np.ndarray:
    side = len(fine) // FINE
    return fine.astype(np.float32).reshape(side, FINE, side, FINE, -1).mean((1, 3))


def _grown(mask: np.ndarray, by: int) -> np.ndarray:
    """The mask and all within `by` pixels of it along either axis."""
    padded = np.pad(mask, by)
    wide = np.maximum.reduce([np.roll(padded, step, 0) for step in range(-by, by + 1)])
    return np.maximum.reduce([np.roll(wide, step, 1) for step in range(-by, by + 1)])[by:-by, by:-by]


def _ellipse(x, y, numbers):
    centre_x, centre_y, across, down = numbers
    return ((x - centre_x) / across) ** 2 + ((y - centre_y) / down) ** 2 <= 1


def _rectangle(x, y, numbers):
    left, top, right, bottom = numbers
    return (left <= x) & (x <= right) & (top <= y) & (y <= bottom)


def _polygon(x, y, numbers):
    """Inside by the even-odd rule: a ray to the right crosses the outline an odd number of times."""
    inside = np.zeros(x.shape, bool)
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return inside


SHAPES = {"ellipse": _ellipse, "rectangle": _rectangle, "polygon": _polygon}
PHASES = 16  # variants of a texture and of a place
GRAIN = 64  # variants of the grain over the whole image


@functools.cache
def _texture(name: str, phase: int) -> Float[np.ndarray, "side side 1"]:
    """1 where the scene's colour shows, 0 for the second tone; periods of 8 to 12 pixels."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    shift = phase / 2
    masks = {
        "solid": np.ones_like(x, bool),
        "striped": (y + shift) % 8 < 4,
        "dotted": ((x + shift) % 9 - 4.5) ** 2 + ((y + shift) % 9 - 4.5) ** 2 > 5.5,
        "checked": ((x + shift) // 6 + (y + shift) // 6) % 2 == 0,
    }
    return masks[name].astype(np.float32)[..., None]


@functools.cache
def _place(name: str, phase: int) -> Float[np.ndarray, "side side 3"]:
    """Outdoors there is sky above a horizon, indoors a wall above a floor."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)[..., None] / SIDE
    turn = 2 * np.pi * phase / PHASES
    if name in WALLS:
        return np.where(y < 0.86, WALLS[name], WALLS[name] * 0.75 + 12) * np.ones(3, np.float32)
    sky = np.array((170, 205, 240), np.float32) * (1 - 0.2 * y)
    horizon = 0.3 + 0.02 * np.sin(6 * x + turn)
    waves = np.sin(20 * x + 6 * np.sin(9 * y) + turn)
    if name == "sea":
        ground = np.array((45, 95, 160), np.float32) + 14 * waves
    elif name == "forest":
        horizon = 0.18 + 0.06 * np.abs(np.sin(14 * x + turn))
        ground = np.array((50, 85, 45), np.float32) + 12 * np.sin(40 * x + turn)
    elif name == "desert":
        ground = np.array((220, 185, 130), np.float32) + 10 * np.sin(26 * y + 4 * np.sin(6 * x + turn))
    else:
        ground = np.array((228, 236, 246), np.float32) + 8 * waves
    return np.where(y < horizon, sky, ground).astype(np.float32)


@functools.cache
def _grain(variant: int) -> Float[np.ndarray, "side side 1"]:
    rng = np.random.default_rng(variant)
    return (12 * (rng.random((SIDE, SIDE, 1), np.float32) - 0.5)).astype(np.float32)
