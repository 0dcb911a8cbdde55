"""Scores of segmentations, by closed forms on small ones."""

import numpy as np
import pytest

from mpsae.cast.segments import at_levels, grid, miou, nesting

# Two classes in a 2 x 4 image, and segments one of which has three pixels of one class and one of the other.
TRUTH = np.array([[[0, 0, 1, 1], [0, 1, 1, 1]]])
HALVES = np.array([[[0, 0, 1, 1], [0, 0, 1, 1]]])


def test_miou_of_segments_that_are_classes_whatever_their_numbers():
    assert miou(TRUTH, TRUTH) == 1.0
    assert miou(5 - TRUTH, TRUTH) == 1.0
    assert miou(np.arange(8).reshape(1, 2, 4), TRUTH) == 1.0  # every pixel a segment of its own


def test_miou_of_majorities():
    """Left half: 3 of class 0, 1 of class 1. Class 0: 3 of 4 pixels; class 1: 4 of 5."""
    assert miou(HALVES, TRUTH) == pytest.approx((3 / 4 + 4 / 5) / 2)
    one = np.zeros_like(TRUTH)  # all pixels one segment, of class 1: 5 of 8; class 0 is missed
    assert miou(one, TRUTH) == pytest.approx((0 + 5 / 8) / 2)


def test_miou_is_a_mean_over_images_of_the_classes_present_in_each():
    second = np.zeros_like(TRUTH)  # one class alone
    both = np.concatenate([HALVES, HALVES]), np.concatenate([TRUTH, second])
    assert miou(*both) == pytest.approx((miou(HALVES, TRUTH) + 1) / 2)
    assert miou(np.zeros_like(TRUTH), 7 + second) == 1.0


def test_nesting_counts_fine_segments_that_are_cut():
    fine = np.array([[[0, 0, 2, 2], [5, 5, 7, 7]]])
    assert nesting(fine, HALVES) == 1.0
    assert nesting(fine, np.array([[[0, 1, 1, 1], [0, 0, 1, 1]]])) == 3 / 4
    assert (
        nesting(np.concatenate([fine, fine]), np.concatenate([HALVES, TRUTH])) == 7 / 8
    )  # the cell 5, 5 is cut


def test_levels_are_composed_and_nested():
    superpixels = np.array([[[0, 1], [2, 3]], [[3, 3], [1, 0]]])
    joined = [np.array([[1, 0, 2, 2], [0, 1, 2, 0]]), np.array([[1, 1, 0], [0, 1, 0]])]
    levels = at_levels(superpixels, joined)
    np.testing.assert_array_equal(levels[1], [[[1, 0], [2, 2]], [[0, 0], [1, 0]]])
    np.testing.assert_array_equal(levels[2], [[[1, 1], [0, 0]], [[0, 0], [1, 0]]])
    assert [nesting(fine, coarse) for fine, coarse in zip(levels, levels[1:], strict=False)] == [1.0, 1.0]


def test_a_grid_has_cells_of_equal_size():
    cells = grid(2, 4, like=np.zeros((3, 4, 8), int))
    assert cells.shape == (3, 4, 8)
    np.testing.assert_array_equal(cells[1], np.repeat(np.repeat(np.arange(8).reshape(2, 4), 2, 0), 2, 1))
