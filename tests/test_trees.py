"""The two published trees against the numbers printed for them."""

import jax
import numpy as np
import pytest

from synthetic.trees import PARENT, mixing_for, sibling_cosine, toy_matryoshka, tree20

N = 200_000
TOP = np.asarray(PARENT) < 0
TABLE = {  # the mixing ε of the paper for cosine 0, .1, ..., .9, by number of siblings
    11: (0, 0.2993, 0.4396, 0.5288, 0.5942, 0.6467, 0.6918, 0.7330, 0.7736, 0.8182),
    3: (0, 0.0893, 0.1627, 0.2257, 0.2818, 0.3333, 0.3824, 0.4310, 0.4818, 0.5407),
}


def fired(world):
    return np.asarray(world.sample(jax.random.key(1), N)[1]) > 0


def test_tree20_fires_as_published():
    world = tree20(jax.random.key(0))
    prob = np.where(TOP, 0.05, 0.04)
    prob[[0, 4, 8]] = 0.2
    np.testing.assert_allclose(world.prob, prob, rtol=1e-6)
    assert float(world.true_l0) == pytest.approx(1.36, rel=1e-6)
    on = fired(world)
    assert (np.abs(on.mean(0) - prob) < 4 * np.sqrt(prob * (1 - prob) / N)).all()
    assert on.sum(1).mean() == pytest.approx(1.36, rel=0.01)
    assert (on[:, TOP].sum(1) == 1).all()  # exclusive and exhaustive
    assert set(np.unique(on.sum(1))) == {1, 2}
    for node in np.flatnonzero(~TOP):
        assert not (on[:, node] & ~on[:, PARENT[node]]).any()


def test_toy_matryoshka_fires_as_published():
    world = toy_matryoshka(jax.random.key(0))
    prob = np.where(TOP, 0.05, 0.03)
    prob[[0, 4, 8]] = 0.15
    np.testing.assert_allclose(world.prob, prob, rtol=1e-6)
    assert float(world.true_l0) == pytest.approx(1.12, rel=1e-6)
    on = fired(world)
    assert (np.abs(on.mean(0) - prob) < 4 * np.sqrt(prob * (1 - prob) / N)).all()
    silent = 0.85**3 * 0.95**8
    assert silent == pytest.approx(0.4074, abs=5e-5)
    assert abs((~on.any(1)).mean() - silent) < 4 * np.sqrt(silent * (1 - silent) / N)
    # tops are pairwise independent, children of one parent exclude each other
    assert abs((on[:, 0] & on[:, 4]).mean() - 0.15**2) < 4 * np.sqrt(0.15**2 / N)
    assert on[:, 1:4].sum(1).max() == 1
    for node in np.flatnonzero(~TOP):
        assert not (on[:, node] & ~on[:, PARENT[node]]).any()


def test_toy_matryoshka_codes_are_one_length_per_feature():
    world = toy_matryoshka(jax.random.key(0))
    _, codes = world.sample(jax.random.key(1), 5000)
    np.testing.assert_array_equal(codes.max(0), world.mean)
    assert all(len(np.unique(column)) == 2 for column in np.asarray(codes).T)
    lengths = np.concatenate([toy_matryoshka(jax.random.key(seed)).mean for seed in range(20)])
    assert abs(lengths.mean() - 1) < 4 * 0.05 / np.sqrt(lengths.size)
    assert abs(lengths.std() - 0.05) < 4 * 0.05 / np.sqrt(2 * lengths.size)


@pytest.mark.parametrize("correlation", [-0.09, 0.0, 0.1, 0.5, 0.9])
def test_gram_is_the_stated_one(correlation):
    world = tree20(jax.random.key(3), correlation=correlation)
    group = np.asarray(world.group)
    expected = np.where(group[:, None] == group, correlation, 0.0)
    np.fill_diagonal(expected, 1.0)
    atoms = np.asarray(world.atoms, np.float64)
    np.testing.assert_allclose(atoms @ atoms.T, expected, atol=1e-6)


def test_atoms_of_the_toy_are_orthonormal_and_seeds_differ():
    one, two = (np.asarray(toy_matryoshka(jax.random.key(seed)).atoms) for seed in (0, 1))
    np.testing.assert_allclose(one @ one.T, np.eye(20), atol=1e-6)
    assert np.abs(one - two).max() > 0.1


@pytest.mark.parametrize("n", [3, 11])
def test_mixing_matches_the_printed_table(n):
    for tenth, epsilon in enumerate(TABLE[n]):
        cosine = tenth / 10
        assert mixing_for(cosine, n) == pytest.approx(epsilon, abs=5.5e-5)
        assert sibling_cosine(mixing_for(cosine, n), n) == pytest.approx(cosine, abs=1e-12)


@pytest.mark.parametrize(("n", "epsilon"), [(3, 0.2), (11, 0.7)])
def test_sibling_cosine_is_that_of_the_mixed_vectors(n, epsilon):
    mixed = (1 - epsilon) * np.eye(n) + epsilon / (n - 1) * (1 - np.eye(n))
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    assert sibling_cosine(epsilon, n) == pytest.approx(mixed[0] @ mixed[1], abs=1e-12)


def test_mixing_where_the_quadratic_degenerates():
    cosine = 9 / 10  # (n - 1) c = n - 2 for n = 11
    assert sibling_cosine(mixing_for(cosine, 11), 11) == pytest.approx(cosine)
    assert sibling_cosine(mixing_for(0.5, 3), 3) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"correlation": -0.1}, ["correlation = -0.1", "between -0.1 and 1", "11"]),
        ({"correlation": 1.0}, ["correlation = 1", "between -0.1 and 1"]),
        ({"correlation": float("nan")}, ["correlation = nan", "between -0.1 and 1"]),
        ({"mean": 0.0}, ["mean = 0", "above 0"]),
        ({"child_mean": float("inf")}, ["child_mean = inf", "finite"]),
        ({"std": -0.1}, ["std = -0.1", "at least 0"]),
        ({"child_std": float("nan")}, ["child_std = nan", "at least 0"]),
    ],
)
def test_impossible_trees_are_refused(bad, words):
    with pytest.raises(ValueError) as error:
        tree20(jax.random.key(0), **bad)
    assert all(word in str(error.value) for word in words), str(error.value)
