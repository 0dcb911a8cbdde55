"""Every epoch of the shuffled stream is a permutation, and they look random."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.shuffle import shuffled

KEY = jax.random.key(0)


def test_bijection_for_every_small_n():
    draw, positions = jax.jit(shuffled), jnp.arange(600)
    for n in range(1, 301):
        two_epochs = np.asarray(draw(KEY, n, positions))[: 2 * n]
        for epoch in (two_epochs[:n], two_epochs[n:]):
            np.testing.assert_array_equal(np.sort(epoch), np.arange(n))


@pytest.mark.parametrize("n", [1500, 65_536, 65_537, 300_001])
def test_bijection_for_large_n(n):
    order = np.asarray(shuffled(KEY, n, jnp.arange(n)))
    np.testing.assert_array_equal(np.bincount(order, minlength=n), 1)
    # a random permutation has one fixed point on average and no correlation with the identity
    assert (order == np.arange(n)).sum() < 10
    assert abs(np.corrcoef(order, np.arange(n))[0, 1]) < 4 / np.sqrt(n)


def test_keys_and_epochs_give_unrelated_orders():
    n = 1500
    first, second = np.asarray(shuffled(KEY, n, jnp.arange(2 * n))).reshape(2, n)
    other = np.asarray(shuffled(jax.random.key(1), n, jnp.arange(n)))
    for one, two in [(first, second), (first, other), (second, other)]:
        assert (one == two).sum() < 10
        assert abs(np.corrcoef(one, two)[0, 1]) < 4 / np.sqrt(n)


@pytest.mark.parametrize("n", [5, 13, 16])
def test_each_position_reaches_each_row_equally_often(n):
    epochs = 6000
    orders = np.asarray(shuffled(KEY, n, jnp.arange(epochs * n))).reshape(epochs, n)
    counts = np.stack([np.bincount(column, minlength=n) for column in orders.T])
    chi2 = ((counts - epochs / n) ** 2 / (epochs / n)).sum()
    freedom = (n - 1) ** 2
    assert abs(chi2 - freedom) < 5 * np.sqrt(2 * freedom)


@pytest.mark.parametrize("n", [5, 13, 16])
def test_neighbours_in_an_epoch_are_as_random_as_single_positions(n):
    epochs = 6000
    orders = np.asarray(shuffled(KEY, n, jnp.arange(epochs * n))).reshape(epochs, n)
    pairs = np.bincount(orders[:, 0] * n + orders[:, 1], minlength=n * n).reshape(n, n)
    seen = pairs[~np.eye(n, dtype=bool)]
    expected = epochs / (n * (n - 1))
    chi2, freedom = ((seen - expected) ** 2 / expected).sum(), len(seen) - 1
    assert np.diag(pairs).sum() == 0
    assert abs(chi2 - freedom) < 5 * np.sqrt(2 * freedom)


def test_all_orders_of_four_rows_occur():
    orders = np.asarray(shuffled(KEY, 4, jnp.arange(4 * 5000))).reshape(-1, 4)
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert ((counts - 5000 / 24) ** 2 / (5000 / 24)).sum() < 23 + 5 * np.sqrt(46)


def test_position_alone_decides_and_jit_and_vmap_change_nothing():
    positions = jnp.array([7, 1499, 1500, 3001, 4_000_000_000], jnp.uint32)
    eager = np.asarray(shuffled(KEY, 1500, positions))
    jitted = jax.jit(shuffled)(KEY, 1500, positions)
    mapped = jax.vmap(lambda place: shuffled(KEY, 1500, place))(positions)
    np.testing.assert_array_equal(eager, jitted)
    np.testing.assert_array_equal(eager, mapped)
    assert jitted.dtype == jnp.int32


def test_values_are_pinned():
    """The order is part of results and of every fixed split: a change needs a new version."""
    assert np.asarray(shuffled(KEY, 10, jnp.arange(10))).tolist() == PINNED


PINNED = [3, 9, 2, 6, 8, 4, 7, 0, 5, 1]
