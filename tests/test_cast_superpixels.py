"""Superpixels, compared with the same k-means written out in float64."""

import jax
import numpy as np
import pytest

from mpsae.cast.superpixels import PLACE, ROUNDS, superpixels


def by_hand(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    height, width, _ = image.shape
    down, right = np.mgrid[:height, :width]
    cell = np.stack([down * rows // height, right * columns // width], -1)
    place = PLACE * np.stack([down * rows / height, right * columns / width], -1)
    pixels = np.concatenate([image.astype(np.float64), place], -1)
    means = np.array(
        [[pixels[(cell == (r, c)).all(-1)].mean(0) for c in range(columns)] for r in range(rows)]
    )
    for number in range(ROUNDS + 1):
        label = np.zeros((height, width), int)
        for y in range(height):
            for x in range(width):
                r, c = cell[y, x]
                around = [(i, j) for i in range(r - 1, r + 2) for j in range(c - 1, c + 2)]
                there = [(i, j) for i, j in around if 0 <= i < rows and 0 <= j < columns]
                i, j = min(there, key=lambda at: ((pixels[y, x] - means[at]) ** 2).sum())
                label[y, x] = i * columns + j
        if number < ROUNDS:
            for k in np.unique(label):
                means[divmod(k, columns)] = pixels[label == k].mean(0)
    return label


def test_it_is_k_means_among_the_cells_around():
    rng = np.random.default_rng(0)
    images = rng.random((2, 16, 24, 3)).astype(np.float32)
    images[1, :, :12], images[1, :, 12:] = 0, 1  # cells in the middle, grey at first, end up empty
    found = np.asarray(jax.jit(lambda given: superpixels(given, rows=4, columns=3))(images))
    for image, label in zip(images, found, strict=True):
        expected = by_hand(image, 4, 3)
        assert (label == expected).mean() > 0.995  # round-off decides near ties
    assert set(np.unique(found[1])) == {0, 2, 3, 5, 6, 8, 9, 11}


def test_one_colour_gives_the_grid_and_colours_give_their_borders():
    flat = np.full((1, 16, 16, 3), 0.4, np.float32)
    halves = flat.copy()
    halves[:, :, 7:] = 0.9
    made = jax.jit(lambda given: superpixels(given, rows=4, columns=4))
    grid = np.asarray(made(flat))[0]
    np.testing.assert_array_equal(grid, np.repeat(np.repeat(np.arange(16).reshape(4, 4), 4, 0), 4, 1))
    cut = np.asarray(made(halves))[0]
    assert not set(np.unique(cut[:, :7])) & set(np.unique(cut[:, 7:]))


def test_a_grid_that_does_not_divide_the_image_is_refused():
    with pytest.raises(ValueError, match="superpixels: 8 x 5 cells do not divide an image of 64 x 64 pixels"):
        superpixels(np.zeros((1, 64, 64, 3), np.float32), columns=5)
