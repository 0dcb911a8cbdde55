"""Forests against enumeration: who is whose child, and what survives gates and exclusion."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from synthetic.forest import Forest, one_above_zero

SMALL = Forest(2, 3, 2)  # 2 roots, 6 children, 18 grandchildren
FEATURES = 30  # four stand alone


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


def test_tops_and_children_are_those_of_the_parents():
    parent = SMALL.parents(FEATURES)
    assert SMALL.tops(FEATURES).tolist() == np.flatnonzero(parent < 0).tolist()
    nodes = jnp.arange(SMALL.inner).reshape(2, 4)
    expected = [[np.flatnonzero(parent == node).tolist() for node in row] for row in nodes.tolist()]
    assert SMALL.children(nodes).tolist() == expected
    assert Forest(0, 3, 2).tops(5).tolist() == Forest(2, 3, 0).tops(5).tolist() == [0, 1, 2, 3, 4]


def test_of_siblings_above_zero_one_is_kept_each_alike():
    subsets = np.array(list(itertools.product([0.0, 0.5], repeat=4)))
    draws = np.arange(1200) / 1200
    which = np.asarray(one_above_zero(jnp.asarray(subsets)[:, None], jnp.asarray(draws)))
    for subset, kept in zip(subsets > 0, which, strict=True):
        counts = np.bincount(kept, minlength=4)
        if subset.any():
            assert np.abs(counts - subset * 1200 / subset.sum()).max() <= 1, subset
    last = np.asarray(one_above_zero(jnp.asarray(subsets), jnp.ones(16)))
    assert [subset[kept] > 0 for subset, kept in zip(subsets, last, strict=True)] == [False] + [True] * 15


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


def test_settled_probabilities_are_met_level_by_level():
    rng, parent = np.random.default_rng(0), SMALL.parents(FEATURES)
    on = rng.random((20_000, FEATURES)) < 0.6
    for above in range(SMALL.inner):
        below = parent == above
        score = rng.random((len(on), below.sum())) * (on[:, below] & on[:, [above]])
        on[:, below] = (score > 0) & (score == score.max(1, keepdims=True))
    expected = SMALL.settled(np.full((1, FEATURES), 0.6))[0]
    error = np.sqrt(expected * (1 - expected) / len(on))
    assert (np.abs(on.mean(0) - expected) < 4 * error).all()
