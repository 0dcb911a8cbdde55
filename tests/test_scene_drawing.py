"""Images of scenes: the same numbers give the same bytes, and every factor can be seen."""

import hashlib

import numpy as np
import pytest

from synthetic import scene_shapes, scenes
from synthetic.scene_drawing import HUES, SHAPES, SIDE, WALLS, draw

GOLDEN = [
    [43.76, 50.85, 46.11],
    [201.47, 189.02, 162.55],
    [207.85, 223.98, 241.35],
    [198.78, 211.18, 217.95],
    [179.66, 173.79, 141.7],
    [62.79, 64.12, 68.85],
]
PLAIN = dict.fromkeys(scenes.FACTORS, 0)


def row(**chosen: str) -> np.ndarray:
    values = PLAIN | {name: scenes.FACTORS[name].index(value) for name, value in chosen.items()}
    return np.array([list(values.values())])


def still(n: int) -> np.ndarray:
    return np.full((n, scenes.JITTER), 0.5)


def test_drawing_depends_on_its_numbers_alone():
    rng = np.random.default_rng(0)
    drawn, free = scenes.sample(40, rng), scenes.jitter(40, rng)
    images = draw(drawn, free)
    assert images.shape == (40, SIDE, SIDE, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images[7:9], draw(drawn[7:9], free[7:9]))
    assert np.array_equal(images, draw(drawn, free))


def test_drawing_gives_the_images_it_always_gave():
    """Shipped embeddings are of these: mean red, green and blue of the left halves of six images."""
    rng = np.random.default_rng(1)
    images = draw(scenes.sample(6, rng), scenes.jitter(6, rng))
    np.testing.assert_allclose(images[:, :, : SIDE // 2].mean((1, 2)), GOLDEN, atol=0.05)


def test_jitter_changes_an_image_but_little():
    drawn = np.repeat(scenes.sample(20, np.random.default_rng(2)), 2, axis=0)
    images = draw(drawn, scenes.jitter(40, np.random.default_rng(3))).astype(float)
    other = draw(scenes.sample(20, np.random.default_rng(4)), still(20)).astype(float)
    same = np.abs(images[::2] - images[1::2]).mean((1, 2, 3))
    assert (same > 0).all()
    assert same.mean() < np.abs(images[::2] - other).mean() / 2


def test_every_value_of_every_factor_can_be_seen():
    for name, values in scenes.FACTORS.items():
        images = [draw(row(**{"texture": "striped", name: value}), still(1)).tobytes() for value in values]
        assert len({hashlib.sha256(image).digest() for image in images}) == len(values), name


def test_every_kind_is_a_shape_of_its_own_and_fills_its_frame():
    drawn = np.concatenate([row(kind=kind, size="large", place="gray") for kind in scenes.FACTORS["kind"]])
    images = draw(drawn, still(len(drawn))).astype(float)
    shown = np.abs(images[..., :2] - WALLS["gray"]).max(-1)[:, : int(0.85 * SIDE)] > 25
    for i, one in enumerate(shown):
        assert 0.12 < one.mean() < 0.75
        for other in shown[i + 1 :]:
            assert (one ^ other).mean() > 0.02


def test_column_size_and_count_move_what_is_drawn():
    def covered(**chosen: str) -> np.ndarray:
        image = draw(row(kind="square", place="gray", **chosen), still(1))[0].astype(float)
        return np.ptp(image, axis=-1) > 30

    across = [np.flatnonzero(covered(column=column).any(0)).mean() for column in ("left", "center", "right")]
    assert across[0] < SIDE / 2 - 8 < across[1] < SIDE / 2 + 8 < across[2]
    assert covered(size="large").sum() > 1.5 * covered(size="small").sum()
    one, two = covered(count="one"), covered(count="two")
    assert one[SIDE // 2].any()
    assert not two[SIDE // 2].any()
    assert two[: SIDE // 2].any() and two[SIDE // 2 :].any()


def test_colour_follows_hue_and_shade():
    for hue, colour in HUES.items():
        light, dark = (
            draw(row(kind="square", hue=hue, shade=shade, column="center"), still(1))[0, 32, 32]
            for shade in ("light", "dark")
        )
        assert light.astype(int).sum() > dark.astype(int).sum() + 100
        assert np.argmax(dark) == np.argmax(colour)


def test_shapes_have_the_area_they_should():
    at = (np.arange(400) + 0.5) / 400
    x, y = np.meshgrid(at, at)
    areas = {
        "ellipse": ((0.5, 0.5, 0.4, 0.2), np.pi * 0.08),
        "rectangle": ((0.1, 0.2, 0.7, 0.9), 0.42),
        "polygon": ((0.1, 0.1, 0.9, 0.1, 0.5, 0.7), 0.24),
    }
    for name, (numbers, area) in areas.items():
        assert SHAPES[name](x, y, numbers).mean() == pytest.approx(area, abs=2e-3)


def test_siblings_share_a_part():
    for siblings in scenes.FAMILIES.values():
        parts = [{(paint, shape) for paint, shape, _ in scene_shapes.KINDS[kind]} for kind in siblings]
        assert set.intersection(*parts)


def test_jitter_must_match():
    with pytest.raises(ValueError, match="jitter: must have shape"):
        draw(row(), np.zeros((2, scenes.JITTER)))
