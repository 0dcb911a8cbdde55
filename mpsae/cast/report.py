"""What a CAST has made of scenes: factors and pairs read from its rows, and how its segments fit true masks."""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from mpsae.cast import leakage, segments
from mpsae.cast.network import LEVELS
from mpsae.cast.segments import Segments
from mpsae.cast.vision import Vision
from mpsae.clip.readout import accuracies, pairing
from mpsae.clip.text import TextTower
from mpsae.embed.scenes import Drawn
from synthetic.scene_captions import captions
from synthetic.scene_masks import masks
from synthetic.scenes import NAMES, labels

GRIDS = {64: (8, 8), 16: (4, 4), 4: (2, 2)}  # controls with as many segments
MIXED = 500  # scenes of two kinds


def report(vision: Vision, tower: TextTower, scenes: Drawn, *, seen: int, seed: int) -> dict[str, Any]:
    """{"pairing", "image" (factor → accuracy), "segments"}; fitted on the first `seen` scenes, asked of the others.

    "segments": per level of `LEVELS` {"objects", "parts" (`miou`), "nesting" (in the next level), "leakage"}, each
    {"cast", "grid", "superpixels"}: the latter two are as many cells of a grid and as many superpixels.
    """
    rows, known = vision.rows(scenes[:]), labels(scenes.factors)
    fitted, asked = (
        {name: numbers[part] for name, numbers in known.items()} for part in (slice(seen), slice(seen, None))
    )
    texts = tower(captions(scenes.factors[seen:], "full"))
    return {
        "pairing": pairing(rows[seen:], texts),
        "image": accuracies(rows[:seen], fitted, rows[seen:], asked),
        "segments": _segments(vision, tower, scenes, seen, seed),
    }


def _segments(vision: Vision, tower: TextTower, scenes: Drawn, seen: int, seed: int) -> dict[str, Any]:
    images, true = scenes[seen:], masks(scenes.factors[seen:], scenes.wobble[seen:])
    pairs = leakage.mixed(MIXED, seed)
    texts = np.stack([tower(said) for said in pairs.said])
    own, theirs = _ways(vision, images), _ways(vision, pairs.images)
    found: dict[str, Any] = {}
    for level, count in enumerate(LEVELS):
        here = found[str(count)] = {"objects": {}, "parts": {}, "nesting": {}, "leakage": {}}
        for way, of in own.items():
            here["objects"][way] = segments.miou(of[level], true.things)
            here["parts"][way] = segments.miou(of[level], true.parts)
            if level + 1 < len(LEVELS):
                here["nesting"][way] = segments.nesting(of[level], of[level + 1])
            here["leakage"][way] = _leakage(vision, pairs, theirs[way][level], texts)
    found["true masks"] = {"leakage": _leakage(vision, pairs, pairs.things, texts)}
    return found


def _ways(vision: Vision, images: UInt8[np.ndarray, "n side side 3"]) -> dict[str, list[Segments]]:
    """The segments of each level, of CAST and of both controls."""
    cast = vision.segments(images)
    return {
        "cast": cast,
        "grid": [segments.grid(*GRIDS[count], like=cast[0]) for count in LEVELS],
        "superpixels": [vision.superpixels(images, *GRIDS[count]) for count in LEVELS],
    }


def _leakage(
    vision: Vision, pairs: leakage.Mixed, of: Segments, texts: Float[np.ndarray, "2 n dim"]
) -> float:
    crops, there = leakage.crops(pairs, of)
    rows = np.stack([vision.rows(part) for part in crops])
    return leakage.leakage(rows, texts, there)


def text(found: dict[str, Any]) -> str:
    """The report as lines for a terminal."""
    lines = [f"{name:<14}{value:8.3f}" for name, value in found["pairing"].items()]
    lines += [f"{name:<14}{found['image'][name]:8.3f}  chance {1 / len(NAMES[name]):.2f}" for name in NAMES]
    lines.append(f"{'segments':<10}{'':<10}{'cast':>8}{'grid':>8}{'superpixels':>13}")
    for level, here in found["segments"].items():
        for name, ways in here.items():
            if level in map(str, LEVELS) and ways:
                values = f"{ways['cast']:8.3f}{ways['grid']:8.3f}{ways['superpixels']:13.3f}"
                lines.append(f"{level:<10}{name:<10}{values}")
    lines.append(f"leakage of crops by the true masks {found['segments']['true masks']['leakage']:.3f}")
    return "\n".join(lines)
