"""Crops of one of two things that are labelled as the other."""

import numpy as np

from mpsae.cast.leakage import GREY, Mixed, crops, leakage, mixed
from synthetic.scene_drawing import SIDE
from synthetic.scenes import FACTORS


def test_mixed_scenes_have_two_kinds_one_above_the_other():
    made = mixed(200, 3)
    again, other = mixed(200, 3), mixed(200, 4)
    np.testing.assert_array_equal(made.images, again.images)
    assert not np.array_equal(made.images, other.images)
    assert (made.things[:, : SIDE // 2] != 2).all() and (made.things[:, SIDE // 2 :] != 1).all()
    assert all((made.things == thing).any((1, 2)).all() for thing in (1, 2))
    for upper, lower in zip(*made.said, strict=True):
        named = [[kind for kind in FACTORS["kind"] if kind in said.split()] for said in (upper, lower)]
        assert [len(kinds) for kinds in named] == [1, 1] and named[0] != named[1]
        assert upper.replace(named[0][0], "it") == lower.replace(named[1][0], "it")
        assert upper.startswith("one ")


def test_a_segment_goes_to_the_thing_of_which_it_holds_more():
    images = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    scenes = Mixed(images, np.array([[[1, 0], [2, 0]]]), (["a"], ["b"]))
    found, there = crops(scenes, np.array([[[0, 0], [1, 2]]]))
    np.testing.assert_array_equal(found[0, 0], [images[0, 0], np.full((2, 3), GREY)])
    np.testing.assert_array_equal(found[1, 0, 1, 0], images[0, 1, 0])
    assert (found[1, 0, 0] == GREY).all() and (found[1, 0, 1, 1] == GREY).all()
    assert there.tolist() == [[True], [True]]
    found, there = crops(scenes, np.array([[[0, 0], [0, 1]]]))  # both in one segment: the upper one's
    assert there.tolist() == [[True], [False]] and (found[1] == GREY).all()
    np.testing.assert_array_equal(found[0, 0, 1, 0], images[0, 1, 0])


def test_leakage_counts_crops_nearer_to_the_other_and_things_without_one():
    texts = np.eye(2)[:, None].repeat(2, 1)  # [2, n, dim]: captions of the upper and of the lower kind
    rows = texts.copy()
    there = np.ones((2, 2), bool)
    assert leakage(rows, texts, there) == 0.0
    assert leakage(rows[::-1], texts, there) == 1.0
    rows[0, 1] = (0.6, 0.8)
    assert leakage(rows, texts, there) == 1 / 4
    there[1, 0] = False
    assert leakage(rows, texts, there) == 2 / 4
