"""Factors, trees and the held-out combinations of the captioned scenes."""

import subprocess
import sys

import numpy as np
import pytest

from synthetic import scenes


def test_trees_cover_their_children_once():
    for below, tree in scenes.PARENTS.values():
        children = [child for siblings in tree.values() for child in siblings]
        assert len(set(children)) == len(children)
        assert set(children) == set(scenes.NAMES[below])
    assert len(scenes.FACTORS["kind"]) == 24
    assert scenes.COMBINATIONS == 24 * 8 * 2 * 4 * 2 * 3 * 2 * 7


def test_labels_of_parents_follow_from_the_factor_below():
    drawn = scenes.sample(2000, np.random.default_rng(0))
    known = scenes.labels(drawn)
    assert list(known) == list(scenes.NAMES)
    for name, numbers in known.items():
        assert numbers.dtype == np.int32
        assert set(numbers) == set(range(len(scenes.NAMES[name])))  # every value is drawn
    for parent, (below, tree) in scenes.PARENTS.items():
        for child, above in zip(known[below], known[parent], strict=True):
            assert scenes.NAMES[below][child] in tree[scenes.NAMES[parent][above]]


def test_one_in_ten_combinations_is_held_out_for_every_value_of_every_factor():
    every = np.stack(np.unravel_index(np.arange(scenes.COMBINATIONS), scenes.SIZES), axis=1)
    assert np.array_equal(scenes.combination(every), np.arange(scenes.COMBINATIONS))
    out = scenes.held_out(every)
    assert abs(out.mean() - 0.1) < 0.003
    for column, size in enumerate(scenes.SIZES):
        shares = [out[every[:, column] == value].mean() for value in range(size)]
        assert min(shares) > 0.09
        assert max(shares) < 0.11


def test_distinct_stays_on_its_side_and_repeats_nothing():
    for unseen in (False, True):
        drawn = scenes.distinct(3000, np.random.default_rng(5), unseen=unseen)
        assert len(set(scenes.combination(drawn).tolist())) == 3000
        assert (scenes.held_out(drawn) == unseen).all()
    again = scenes.distinct(3000, np.random.default_rng(5), unseen=True)
    assert np.array_equal(drawn, again)
    with pytest.raises(ValueError, match="only .* held-out combinations"):
        scenes.distinct(scenes.COMBINATIONS, np.random.default_rng(0), unseen=True)


def test_a_longer_jitter_begins_with_a_shorter_one():
    short, long = (scenes.jitter(n, np.random.default_rng(3)) for n in (4, 9))
    assert np.array_equal(short, long[:4])
    assert long.min() >= 0
    assert long.max() < 1


@pytest.mark.parametrize(
    "rows",
    [np.zeros((2, 3), int), np.zeros((2, 8)), np.full((2, 8), 24), np.full((2, 8), -1), np.zeros(8, int)],
)
def test_what_is_not_scenes_is_refused(rows):
    with pytest.raises(ValueError, match="scenes: "):
        scenes.labels(rows)


def test_scenes_and_mpsae_import_neither_torch_nor_pillow():
    code = (
        "import sys, mpsae, mpsae.clip.training, mpsae.clip.report, synthetic.scene_drawing, synthetic.scene_batches\n"
        "sys.exit(', '.join({'torch', 'open_clip', 'PIL', 'jax'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
