"""Two levels choose what one does: `largest` beside `lax.top_k`, the first maximum and the m best beside numpy."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mpsae.largest import BLOCK, DIVISORS, best, first_max, largest

WIDTHS = (20 * BLOCK, 20 * BLOCK + 1, 21 * BLOCK - 1)  # whole blocks, and a short last one
ONE_LEVEL = (1, 7, 128, 131, 257)  # short, or prime: no block divides it
TWO_LEVELS = (130, 256, 320, 1000, 1001 * 8)
first = jax.jit(first_max)
ranked = jax.jit(best, static_argnums=1)


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


def hostile(width):
    """Rows of all kinds: generic, many ties, one maximum at either end, nothing above -inf."""
    rng = np.random.default_rng(width)
    rows = np.float32(rng.normal(size=(8, width)))
    rows[1] = rng.integers(0, 3, width)
    rows[2], rows[3], rows[4] = 0.0, -np.inf, -np.inf
    rows[4, width // 2] = -1.0
    rows[5, -1], rows[6, 0] = 9.0, 9.0
    rows[7, width // 3 :] = rows[7].max()
    return rows


def test_widths_are_of_both_kinds():
    assert all(width <= 128 or all(width % size for size in DIVISORS) for width in ONE_LEVEL)
    assert all(width > 128 and any(width % size == 0 for size in DIVISORS) for width in TWO_LEVELS)


@pytest.mark.parametrize("width", ONE_LEVEL + TWO_LEVELS)
def test_first_max_is_argmax(width):
    rows = hostile(width)
    np.testing.assert_array_equal(first(rows), np.argmax(rows, 1))


@pytest.mark.parametrize("width", (257, *TWO_LEVELS))
def test_a_nan_row_gives_a_place_inside_the_row(width):
    rows = hostile(width)
    rows[0], rows[1, width // 2], rows[2, -1] = np.nan, np.nan, np.nan
    got = np.asarray(first(rows))
    assert ((got >= 0) & (got < width)).all()
    np.testing.assert_array_equal(got[3:], np.argmax(rows, 1)[3:])


@pytest.mark.parametrize("m", [1, 6])
@pytest.mark.parametrize("width", (7, 131, 130, 320, 1000))
def test_the_m_best_in_order_and_the_one_left_over(width, m):
    rows = hostile(width)
    order = np.argsort(-rows, axis=1, kind="stable")
    found, left = ranked(rows, m)
    found = np.stack(found, 1)
    np.testing.assert_array_equal(
        np.take_along_axis(rows, found, 1), np.take_along_axis(rows, order[:, :m], 1)
    )
    np.testing.assert_array_equal(left, rows[np.arange(8), order[:, m]])
    finite = np.isfinite(np.take_along_axis(rows, found, 1))  # which entry of -inf stands in is free
    np.testing.assert_array_equal(found[finite], order[:, :m][finite])


@pytest.mark.parametrize("width", [1, 5, 160])
def test_nothing_is_left_over_where_all_are_taken(width):
    rows = np.float32(np.random.default_rng(0).normal(size=(3, width)))
    m = min(width, 5)
    found, left = ranked(rows[:, :m], m)
    np.testing.assert_array_equal(np.stack(found, 1), np.argsort(-rows[:, :m], axis=1))
    assert (np.asarray(left) == -np.inf).all()
