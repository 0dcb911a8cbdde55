"""Fitted dictionaries on rows whose best dictionary is known."""

import numpy as np
import pytest
from scoring import Rows, orthonormal

from mpsae.dictionaries import FITTED, dictionary_learning, kmeans, pca
from mpsae.projection import Projection
from mpsae.score import score

RNG = np.random.default_rng(0)
SCALES = np.array([5.0, 4.0, 3.0, 2.0, 1.0, 0.5])
MEAN = np.linspace(-3.0, 4.0, 6)
CLOUD = RNG.normal(size=(400, 6)) * SCALES @ orthonormal(6, 6) + MEAN


@pytest.mark.parametrize("name", FITTED)
def test_atoms_are_unit_rows_of_the_asked_width_and_repeat(name):
    first, again = (FITTED[name](CLOUD, 5, 3) for _ in range(2))
    assert first.atoms.shape == (5, 6) and first.bias.shape == (6,)
    np.testing.assert_allclose(np.linalg.norm(first.atoms, axis=1), 1.0, atol=1e-9)
    np.testing.assert_array_equal(first.atoms, again.atoms)


@pytest.mark.parametrize("directions", [1, 3, 6])
def test_pca_explains_the_share_of_its_eigenvalues(directions):
    """At most one sign of a direction is positive, so k = directions keeps every product."""
    found = pca(CLOUD, 2 * directions, 0)
    params = {"atoms": found.atoms.astype(np.float32), "bias": found.bias.astype(np.float32)}
    ev = score(Projection(k=directions), params, Rows(CLOUD), metrics=["ev"]).value("ev")
    values = np.linalg.svd(CLOUD - CLOUD.mean(0), compute_uv=False) ** 2
    assert ev == pytest.approx(values[:directions].sum() / values.sum(), abs=1e-5)


def test_pca_has_both_signs_of_each_direction_as_far_as_it_is_wide():
    atoms = pca(CLOUD, 99, 0).atoms
    assert atoms.shape == (12, 6)
    np.testing.assert_allclose(atoms[0::2], -atoms[1::2], atol=1e-12)
    np.testing.assert_allclose(atoms[0::2] @ atoms[0::2].T, np.eye(6), atol=1e-9)
    np.testing.assert_array_equal(pca(CLOUD, 3, 0).atoms, atoms[:3])


def test_centroids_point_from_the_mean_to_the_clusters():
    centres = 10 * np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    rows = np.repeat(centres, 200, axis=0) + 0.1 * RNG.normal(size=(800, 3))
    found = kmeans(RNG.permutation(rows), 4, 0)
    np.testing.assert_allclose(found.bias, centres.mean(0), atol=0.02)
    directions = centres - centres.mean(0)
    cosines = found.atoms @ (directions / np.linalg.norm(directions, axis=1, keepdims=True)).T
    np.testing.assert_allclose(cosines.max(0), 1.0, atol=1e-3)
    assert sorted(cosines.argmax(0)) == [0, 1, 2, 3]


@pytest.mark.parametrize("length", [1.0, 1e-3])
def test_dictionary_learning_finds_sparse_positive_features_whatever_their_length(length):
    rng, atoms = np.random.default_rng(1), orthonormal(8, 12)
    on = rng.random((4000, 8)) < 0.15
    rows = length * (on * rng.uniform(0.5, 1.5, on.shape)) @ atoms
    found = dictionary_learning(rows, 8, 0)
    np.testing.assert_array_equal(found.bias, 0.0)
    cosines = found.atoms @ atoms.T  # not their absolute values: codes are positive
    assert cosines.max(0).min() > 0.95 and len(set(cosines.argmax(0))) == 8
