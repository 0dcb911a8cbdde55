"""Two levels choose what `lax.top_k` chooses, entry for entry and place for place."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mpsae.largest import BLOCK, largest

WIDTHS = (20 * BLOCK, 20 * BLOCK + 1, 21 * BLOCK - 1)  # whole blocks, and a short last one


def same_as_top_k(values, k):
    for got, wanted in zip(largest(values, k), jax.lax.top_k(values, k), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("k", [1, 3, 5, 6, 40])
def test_random_rows(width, k):
    same_as_top_k(np.random.default_rng(k).normal(size=(7, width)).astype(np.float32), k)


@pytest.mark.parametrize("width", WIDTHS)
def test_places_of_ties_are_the_first(width):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 3, size=(50, width)).astype(np.float32)
    values[0] = 0.0
    values[1] = -np.inf
    values[2, :-1], values[2, -1] = 0.0, 1.0
    values[3] = rng.integers(-3, -1, size=width)
    for k in (1, 2, 5):
        same_as_top_k(values, k)


@settings(max_examples=25, deadline=None)
@given(
    npst.arrays(np.float32, (2, WIDTHS[1]), elements=st.sampled_from([0.0, 1.0, 2.0, -1.0, np.inf, -np.inf]))
)
def test_few_different_values(values):
    same_as_top_k(values, 4)


def test_the_sign_of_zero_may_decide_a_place_but_not_a_value():
    """IEEE 754 calls the zeros equal, the total order of top_k does not: such an entry is padding."""
    rng = np.random.default_rng(1)
    values = rng.choice(np.float32([0.0, -0.0, 1.0, -1.0]), p=[0.49, 0.49, 0.01, 0.01], size=(30, WIDTHS[1]))
    got, places = largest(values, 5)
    np.testing.assert_array_equal(got, jax.lax.top_k(values, 5)[0])
    np.testing.assert_array_equal(np.take_along_axis(values, np.asarray(places), 1), got)
    assert all(len(set(row)) == 5 for row in np.asarray(places))


def test_a_nan_row_stays_nan_and_harms_no_other():
    values = np.random.default_rng(2).normal(size=(4, WIDTHS[2])).astype(np.float32)
    values[1], values[2, 77] = np.nan, np.nan
    got, places = largest(values, 5)
    np.testing.assert_array_equal(got, jax.lax.top_k(values, 5)[0])
    assert np.isnan(got[1]).all() and np.isnan(got[2]).sum() == 1
    assert ((np.asarray(places) >= 0) & (np.asarray(places) < WIDTHS[2])).all()
    same_as_top_k(values[[0, 3]], 5)


def test_gradient_goes_to_the_chosen_entries():
    values = np.random.default_rng(3).normal(size=(3, WIDTHS[1])).astype(np.float32)
    weights = np.arange(1, 6, dtype=np.float32)
    got = jax.grad(lambda v: (largest(v, 5)[0] * weights).sum())(values)
    wanted = jax.grad(lambda v: (jax.lax.top_k(v, 5)[0] * weights).sum())(values)
    np.testing.assert_array_equal(got, wanted)
