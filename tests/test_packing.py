"""Blocks of directions: orthonormal within, random or far apart between."""

import jax
import numpy as np
import pytest

from synthetic.packing import haar, orthogonal_unit, tight


def rms_between(groups):
    """Root mean square cosine of rows of different blocks."""
    rows = np.concatenate([group.reshape(-1, group.shape[2]) for group in groups])
    sizes = np.concatenate([np.full(len(group), group.shape[1]) for group in groups])
    block = np.repeat(np.arange(len(sizes)), sizes)
    gram = rows @ rows.T
    return np.sqrt(np.square(gram[block[:, None] != block]).mean())


def test_rows_of_a_block_are_orthonormal_before_and_after():
    groups = [haar(jax.random.key(0), 20, 2, 16), haar(jax.random.key(1), 10, 1, 16)]
    for group in (*groups, *tight(groups)):
        gram = group @ np.swapaxes(group, 1, 2)
        np.testing.assert_allclose(gram, np.broadcast_to(np.eye(group.shape[1]), gram.shape), atol=1e-12)


def test_tight_blocks_reach_the_bound_and_random_ones_their_mean():
    # the published numbers of 16 blocks of 20 rows in 64 dimensions: .125 and .1155
    groups = [haar(jax.random.key(0), 16, 20, 64)]
    assert rms_between(groups) == pytest.approx(1 / np.sqrt(64), abs=0.002)
    assert rms_between(tight(groups)) == pytest.approx(np.sqrt((5 - 1) / (320 - 20)), abs=1e-4)


def test_haar_is_uniform_on_the_sphere():
    rows = haar(jax.random.key(3), 4000, 1, 3)[:, 0]
    assert np.abs(rows.mean(0)).max() < 4 / np.sqrt(3 * 4000)
    np.testing.assert_allclose(rows.T @ rows / 4000, np.eye(3) / 3, atol=0.02)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_vector_beside_rows_is_orthogonal_where_there_is_room(count):
    rows = np.random.default_rng(0).normal(size=(count, 8))
    vector = orthogonal_unit(jax.random.key(2), rows)
    assert np.linalg.norm(vector) == pytest.approx(1)
    np.testing.assert_allclose(rows @ vector, 0, atol=1e-12)


def test_a_vector_in_a_full_space_is_any_unit_vector():
    vector = orthogonal_unit(jax.random.key(2), np.eye(4))
    assert np.linalg.norm(vector) == pytest.approx(1) and np.abs(vector).min() > 0
