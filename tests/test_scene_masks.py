"""True masks of scenes, compared with what the drawing shows."""

import numpy as np
import pytest

from synthetic.scene_drawing import HUES, PAINT, draw
from synthetic.scene_masks import masks
from synthetic.scene_shapes import PAINTS
from synthetic.scenes import FACTORS, jitter, sample

COLUMN = {name: number for number, name in enumerate(FACTORS)}
BODY = PAINTS.index("body")


def given(n: int, seed: int, **chosen: str) -> np.ndarray:
    scenes = sample(n, np.random.default_rng(seed))
    for name, value in chosen.items():
        scenes[:, COLUMN[name]] = FACTORS[name].index(value)
    return scenes


@pytest.mark.parametrize("count", ["one", "two"])
def test_things_are_where_a_white_and_a_black_wall_look_the_same(count):
    scenes, free = given(60, 0, count=count), jitter(60, np.random.default_rng(1))
    walls = []
    for wall in ("white", "black"):
        scenes[:, COLUMN["place"]] = FACTORS["place"].index(wall)
        walls.append(draw(scenes, free).astype(int))
    seen_through = np.abs(walls[0] - walls[1]).max(-1)  # 0 behind a thing, 138 on the floor, 185 above it
    things = masks(scenes, free).things
    assert (things[seen_through < 4] > 0).all() and (things[seen_through > 130] == 0).all()
    assert (things > 0).mean() > 0.05


def test_the_lower_thing_is_the_second_and_has_parts_of_its_own():
    scenes, free = given(40, 2, count="two"), jitter(40, np.random.default_rng(3))
    things, parts = masks(scenes, free)
    down = np.broadcast_to(np.arange(64)[:, None], things.shape[1:])
    for thing in things:
        assert down[thing == 1].max() < down[thing == 2].min()
    np.testing.assert_array_equal(parts > len(PAINTS), things == 2)
    np.testing.assert_array_equal((parts > 0) & (parts < len(PAINTS)), things == 1)
    upper, lower = (
        [set(row[t == n] % len(PAINTS)) for row, t in zip(parts, things, strict=True)] for n in (1, 2)
    )
    assert upper == lower


def test_parts_have_the_colour_of_their_paint_and_only_bodies_change_with_the_hue():
    scenes, free = given(80, 4, texture="solid", count="one"), jitter(80, np.random.default_rng(5))
    hues = []
    for hue in ("red", "blue"):
        scenes[:, COLUMN["hue"]] = FACTORS["hue"].index(hue)
        hues.append(draw(scenes, free).astype(int))
    change = np.abs(hues[0] - hues[1]).max(-1)
    parts = masks(scenes, free).parts
    most = np.abs(np.subtract(HUES["red"], HUES["blue"])).max()
    assert (parts[change > 0.6 * most] == BODY).all()
    assert (change[~np.isin(parts, [0, BODY])] < 0.6 * most).all()
    for paint in ("ink", "white", "green", "gold"):
        shown = hues[0][(parts == PAINTS.index(paint)) & (change == 0)]
        assert len(shown) and np.abs(np.median(shown, 0) - PAINT[paint]).max() < 12


def test_a_mask_depends_on_its_own_scene_alone_and_bad_rows_are_refused():
    scenes, free = given(5, 6), jitter(5, np.random.default_rng(7))
    whole = masks(scenes, free)
    for found, expected in zip(masks(scenes[3:4], free[3:4]), whole, strict=True):
        np.testing.assert_array_equal(found[0], expected[3])
    with pytest.raises(ValueError, match=r"jitter: must have shape \(5, 8\)"):
        masks(scenes, free[:4])
    with pytest.raises(ValueError, match="scenes: kind must lie in"):
        masks(scenes + 100, free)
