"""Forests against enumeration: who is whose child, and what survives gates and exclusion."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synthetic.forest import Forest

SMALL = Forest(2, 3, 2)  # 2 roots, 6 children, 18 grandchildren
FEATURES = 30  # four stand alone


@pytest.fixture(scope="module")
def settled():
    """(values, what is left of them) of 20 000 rows in which every node is open with probability .6."""
    values_key, draw_key = jax.random.split(jax.random.key(0))
    values = jax.random.uniform(values_key, (20_000, FEATURES), minval=-2, maxval=3)
    values = jnp.maximum(values, 0)
    draw = jax.random.uniform(draw_key, (20_000, SMALL.inner))
    left = jax.jit(jax.vmap(SMALL.settle, (0, 0, None)))(values, draw, jnp.arange(1.0, FEATURES + 1))
    return np.asarray(values), np.asarray(left)


def test_indices_are_handed_out_level_by_level():
    assert (SMALL.size, SMALL.inner) == (26, 8)
    assert [(span.start, span.stop) for span in SMALL.spans] == [(0, 2), (2, 8), (8, 26)]
    expected = [-1, -1, 0, 0, 0, 1, 1, 1, *np.repeat(range(2, 8), 3), -1, -1, -1, -1]
    assert SMALL.parents(FEATURES).tolist() == expected
    assert SMALL.levels(FEATURES).tolist() == [0] * 2 + [1] * 6 + [2] * 18 + [0] * 4
    assert (Forest(128, 4, 3).size, Forest(128, 4, 3).inner) == (10880, 2688)


def test_compensation_is_the_published_formula():
    base = np.linspace(0.3, 0.01, FEATURES)
    gate, parent = SMALL.compensated(base), SMALL.parents(FEATURES)
    np.testing.assert_array_equal(gate[parent < 0], base[parent < 0])
    for node in np.flatnonzero(parent >= 0):
        siblings = np.flatnonzero(parent == parent[node])
        above = base[parent[node]]
        rivals = sum(base[other] / above for other in siblings if other != node)
        assert gate[node] == pytest.approx(min(1, base[node] / above * (1 + rivals)), rel=1e-12)
    assert gate[2] == 1  # clamped


def test_gates_and_exclusion_are_exact(settled):
    _, left = settled
    parent = SMALL.parents(FEATURES)
    for above in range(SMALL.inner):
        children = left[:, parent == above] > 0
        assert children.sum(1).max() == 1
        assert not children[left[:, above] == 0].any()


def test_values_are_scaled_by_the_parent_and_the_rest_is_untouched(settled):
    values, left = settled
    parent, reference = SMALL.parents(FEATURES), np.arange(1.0, FEATURES + 1)
    alone = parent < 0
    np.testing.assert_array_equal(left[:, alone], values[:, alone])
    for node in np.flatnonzero(~alone):
        on = left[:, node] > 0
        above = parent[node]
        expected = values[on, node] * left[on, above] / reference[above]
        np.testing.assert_allclose(left[on, node], expected, rtol=1e-6)


def test_where_a_sibling_is_open_one_is_kept_each_alike(settled):
    values, left = settled
    whole = (values[:, 2:5] > 0).all(1) & (values[:, 0] > 0)
    kept = (left[whole, 2:5] > 0).sum(0)
    assert kept.sum() == whole.sum()
    error = np.sqrt(whole.sum() * 2 / 9)
    assert np.abs(kept - whole.sum() / 3).max() < 4 * error


def test_settled_probabilities_are_those_of_all_subsets():
    forest, given = Forest(1, 4, 1), np.array([[0.9, 0.2, 1.0, 0.0, 0.7, 0.4], [0.5, 0, 0, 0, 0, 1]])
    expected = np.zeros_like(given)
    expected[:, [0, 5]] = given[:, [0, 5]]
    for row, subset in itertools.product(range(2), itertools.product([0, 1], repeat=4)):
        chance = given[row, 0] * np.prod(
            [p if on else 1 - p for p, on in zip(given[row, 1:5], subset, strict=True)]
        )
        if any(subset):
            expected[row, 1:5] += chance * np.array(subset) / sum(subset)
    np.testing.assert_allclose(forest.settled(given), expected, rtol=1e-12, atol=1e-16)


def test_settled_probabilities_are_met(settled):
    _, left = settled
    expected = SMALL.settled(np.full((1, FEATURES), 0.6))[0]
    error = np.sqrt(expected * (1 - expected) / len(left))
    assert (np.abs((left > 0).mean(0) - expected) < 4 * error).all()
