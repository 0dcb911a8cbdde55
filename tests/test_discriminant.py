"""The linear discriminant against its definition and against scikit-learn, with fewer rows than dimensions too."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.covariance import ledoit_wolf_shrinkage

from mpsae.discriminant import Scatter

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(5, 90))


def rows(n, dim):
    label = np.arange(n) % 5
    return CENTRES[label, :dim] + 1.5 * RNG.normal(size=(n, dim)), label


@pytest.mark.parametrize("n, dim", [(203, 12), (58, 90)])
@pytest.mark.parametrize("wrap", [np.asarray, csr_array])
def test_it_is_the_discriminant_of_the_shrunken_covariance(n, dim, wrap):
    x, label = rows(n, dim)
    new, right = rows(300, dim)
    scatter = Scatter(wrap(x))
    s = scatter.shrinkage
    assert s == pytest.approx(ledoit_wolf_shrinkage(x))
    means = np.array([x[label == number].mean(0) for number in range(5)])
    within = (x - means[label]).T @ (x - means[label]) / n
    spread = np.square(x - x.mean(0)).sum() / n / dim
    weights = np.linalg.solve((1 - s) * within + s * spread * np.eye(dim), means.T)
    expected = (new @ weights - (means * weights.T).sum(1) / 2).argmax(1)
    found = scatter.predict(label, scatter.coordinates(wrap(new)))
    np.testing.assert_array_equal(found, expected)
    assert (found == right).mean() > 0.7  # chance is .2


def test_classes_without_spread_and_rows_that_are_all_equal():
    points = np.repeat(np.eye(2), 3, axis=0)
    scatter = Scatter(points)
    label = np.array([4, 4, 4, 7, 7, 7])
    np.testing.assert_array_equal(scatter.predict(label, scatter.coordinates(points)), label)
    flat = Scatter(np.ones((6, 2)))
    assert set(flat.predict(label, flat.coordinates(points))) <= {4, 7}
