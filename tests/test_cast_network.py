"""CAST as it is used: a row and nested segments that depend on one image and on no numbering."""

import jax
import numpy as np
import pytest

from mpsae.cast import vision
from mpsae.cast.network import LEVELS, Cast, means
from mpsae.cast.segments import nesting
from mpsae.cast.training import fresh
from mpsae.cast.vision import Vision
from mpsae.embed.scenes import drawn


@pytest.fixture(scope="module", autouse=True)
def few():
    """Four images at a time, else most of the work is filling up."""
    before, vision.BATCH = vision.BATCH, 4
    yield
    vision.BATCH = before


@pytest.fixture(scope="module")
def images():
    return drawn(5, seen=6, unseen=0)[:]


@pytest.fixture(scope="module")
def made():
    return Vision(fresh(1))


def test_rows_are_unit_and_each_image_stands_for_itself(made, images):
    rows = made.rows(images)
    assert rows.shape == (6, 64) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(made.rows(images[4:5]), rows[4:5], atol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert made.rows(images[:0]).shape == (0, 64)


def test_segments_are_nested_and_no_more_than_their_level_has(made, images):
    levels = made.segments(images)
    assert [level.shape for level in levels] == [(6, 64, 64)] * len(LEVELS)
    for level, count in zip(levels, LEVELS, strict=True):
        assert 1 < max(len(np.unique(one)) for one in level) <= count
        assert level.min() >= 0 and level.max() < count
    assert [nesting(fine, coarse) for fine, coarse in zip(levels, levels[1:], strict=False)] == [1.0, 1.0]
    np.testing.assert_array_equal(levels[0], made.superpixels(images, 8, 8))


def test_groups_are_described_by_means_and_moments_of_place():
    rng = np.random.default_rng(0)
    features, groups = rng.normal(size=(2, 3, 4, 2)), rng.integers(0, 3, (2, 3, 4))
    found = np.asarray(means(features, groups, 4))
    down, right = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 4), indexing="ij")
    for i, (x, group) in enumerate(zip(features, groups, strict=True)):
        for k in range(3):
            y, z = down[group == k], right[group == k]
            moments = [y.mean(), z.mean(), (y**2).mean(), (z**2).mean(), (y * z).mean()]
            np.testing.assert_allclose(found[i, k], [*x[group == k].mean(0), *moments], atol=1e-5)
    assert (found[:, 3] == 0).all()


def test_how_superpixels_are_numbered_changes_nothing(made, images):
    given = images[:4] / np.float32(255)
    groups = made.superpixels(images[:4], 8, 8)
    order = np.random.default_rng(0).permutation(LEVELS[0])
    apply = jax.jit(Cast().apply)
    plain, other = (apply({"params": made.params}, given, numbers) for numbers in (groups, order[groups]))
    np.testing.assert_allclose(plain.row, other.row, atol=1e-4)
    np.testing.assert_array_equal(plain.joined[0], np.asarray(other.joined[0])[:, order])
