"""Training batches: never a held-out combination, and groups that differ in little."""

import numpy as np
import pytest

from synthetic import scenes
from synthetic.scene_batches import GROUP, HEARD, TURNS, heard, scenes_of_batch
from synthetic.scene_captions import vocabulary


def test_no_scene_of_a_batch_is_held_out():
    for seed in range(5):
        drawn = scenes_of_batch(16, np.random.default_rng(seed))
        assert drawn.shape == (16 * GROUP, len(scenes.SIZES))
        assert not scenes.held_out(drawn).any()


def test_groups_about_the_kind_vary_it_and_freeze_most():
    drawn = scenes_of_batch(64, np.random.default_rng(0)).reshape(64, GROUP, -1)
    about = drawn[np.array(TURNS * 8) == "kind"]
    values = np.array([[len(set(column)) for column in group.T] for group in about])
    assert values[:, 0].min() >= 12  # nearly as many kinds as scenes
    assert (values[:, 1:] > 1).mean() < 0.2


def test_all_levels_are_heard():
    drawn = scenes_of_batch(16, np.random.default_rng(0))
    said = heard(drawn, np.random.default_rng(1))
    assert said == heard(drawn, np.random.default_rng(1))
    assert {word for text in said for word in text.split()} <= set(vocabulary())
    assert 0.05 < np.mean(["thing" in text or "shape" in text for text in said]) < 0.25
    assert sum(HEARD.values()) == pytest.approx(1)
