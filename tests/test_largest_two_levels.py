"""The first maximum and the m best of a row in two levels, against numpy."""

import jax
import numpy as np
import pytest

from mpsae.largest import DIVISORS, best, first_max

ONE_LEVEL = (1, 7, 128, 131, 257)  # short, or prime: no block divides it
TWO_LEVELS = (130, 256, 320, 1000, 1001 * 8)
first = jax.jit(first_max)
ranked = jax.jit(best, static_argnums=1)


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
