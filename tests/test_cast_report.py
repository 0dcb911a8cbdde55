"""The report of a CAST, on models of which it is known what they see."""

import zlib

import numpy as np
import pytest

from mpsae.cast import report as module
from mpsae.cast.network import LEVELS
from mpsae.cast.report import GRIDS, report, text
from mpsae.cast.segments import grid
from mpsae.embed.scenes import drawn
from synthetic.scene_masks import masks


class Gridded:
    """Rows are a random map of the pixels, segments the cells of the grids, and one superpixel is all there is."""

    def rows(self, images):
        pixels = images[:, ::8, ::8].reshape(len(images), -1) / 255
        rows = pixels @ np.random.default_rng(0).normal(size=(pixels.shape[1], 16))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def segments(self, images):
        return [grid(*GRIDS[count], like=images[..., 0].astype(int)) for count in LEVELS]

    def superpixels(self, images, rows, columns):
        return np.zeros(images.shape[:3], int)


def tower(said):
    rows = np.stack([np.random.default_rng(zlib.crc32(one.encode())).normal(size=16) for one in said])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_model_that_sees_a_grid_scores_as_the_grid_and_one_segment_as_little_as_can_be(monkeypatch):
    monkeypatch.setattr(module, "MIXED", 30)
    scenes = drawn(3, seen=300, unseen=60)
    found = report(Gridded(), tower, scenes, seen=300, seed=3)
    of = found["segments"]
    for level in map(str, LEVELS):
        for name, ways in of[level].items():
            assert ways.get("cast") == ways.get("grid"), (level, name)
        assert of[level]["nesting"].get("superpixels", 1.0) == 1.0
        assert of[level]["leakage"]["superpixels"] >= 0.5  # the lower thing never has a crop
    things = masks(scenes.factors[300:], scenes.wobble[300:]).things
    shares = [np.bincount(one.ravel()) / one.size for one in things]
    alone = np.mean([share.max() / len(share) for share in shares])
    assert of["4"]["objects"]["superpixels"] == pytest.approx(alone)
    assert of["64"]["objects"]["grid"] > of["16"]["objects"]["grid"] > of["4"]["objects"]["grid"] > alone
    assert of["64"]["parts"]["grid"] < of["64"]["objects"]["grid"]
    assert found["image"]["place"] > 0.5 and 0 <= found["pairing"]["image_to_text"] < 0.2
    lines = text(found).splitlines()
    assert sum(line.startswith("16 ") for line in lines) == 4
    assert lines[-1].endswith(f"{of['true masks']['leakage']:.3f}")
