"""Places of true entries against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synthetic.places import places


@pytest.mark.parametrize("n", [1, 32, 77])
def test_true_entries_are_found_in_order(n):
    mask = np.random.default_rng(n).random((9, n)) < np.array([0, 0, 0.03, 0.5, 1, 0, 1, 0.2, 0])[:, None]
    found = places(jnp.asarray(mask))
    rows, columns = np.nonzero(mask)
    assert int(found.count) == len(rows)
    numbers = np.arange(len(rows)) - np.searchsorted(rows, rows)
    for got, expected in zip(
        jax.jit(lambda one: one.find(jnp.arange(len(rows))))(found), (rows, columns, numbers), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_a_mask_without_true_entries_has_none():
    assert int(places(jnp.zeros((3, 40), bool)).count) == 0


@pytest.mark.parametrize("slots", [1, 7, 500])
def test_values_come_back_to_their_rows_from_every_window(slots):
    rng = np.random.default_rng(0)
    mask = rng.random((9, 50)) < np.array([0, 0.1, 0, 1, 0.5, 0.3, 0.2, 0.9, 0])[:, None]
    found, rows = places(jnp.asarray(mask)), np.nonzero(mask)[0]
    values = rng.integers(1, 100, (len(rows) + slots, 3)).astype(np.float32)  # sums are exact
    expected = np.zeros((9, 3), np.float32)
    np.add.at(expected, rows, values[: len(rows)])
    spread, total = jax.jit(found.spread), 0
    for first in range(0, len(rows), slots):
        total += spread(jnp.asarray(values[first : first + slots]), first)
    np.testing.assert_array_equal(total, expected)
