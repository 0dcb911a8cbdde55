"""Directions pushed apart, against the loss written out and the law of random ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import beta

from synthetic.apart import interference_gradient, pushed_apart


def interference(vectors):
    """The loss as published, with its [rows, rows] matrix."""
    gram = jnp.matmul(vectors, vectors.T, precision="highest")
    apart = 1 - jnp.eye(len(vectors))
    return jnp.square(gram * apart).sum() + len(vectors) * jnp.square(jnp.diag(gram) - 1).sum()


def largest_cosines(vectors):
    vectors = np.asarray(vectors, np.float64)
    cosines = np.abs(vectors @ vectors.T)
    np.fill_diagonal(cosines, 0)
    return cosines.max(1)


def random_level(rows, dim):
    """Mean of the largest of rows - 1 values |cos|, whose squares are Beta(1/2, (dim - 1)/2)."""
    x = np.linspace(0, 1, 20_001)
    return np.trapezoid(1 - beta.cdf(x**2, 0.5, (dim - 1) / 2) ** (rows - 1), x)


def test_the_gradient_is_that_of_the_loss():
    vectors = 0.4 * jax.random.normal(jax.random.key(0), (12, 5))
    np.testing.assert_allclose(
        interference_gradient(vectors), jax.grad(interference)(vectors), rtol=1e-4, atol=1e-4
    )


def test_steps_lower_the_loss_and_leave_unit_rows():
    before, after = (pushed_apart(jax.random.key(1), 64, 16, steps=steps, rate=3e-3) for steps in (0, 100))
    assert interference(after) < 0.8 * interference(before)
    for vectors in (before, after):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_the_published_steps_hardly_leave_the_random_level():
    assert random_level(16384, 768) == pytest.approx(0.148, abs=0.002)
    rows, dim = 1024, 48
    found = [
        largest_cosines(pushed_apart(jax.random.key(2), rows, dim, steps=steps, rate=3e-4))
        for steps in (0, 100)
    ]
    error = found[0].std() / np.sqrt(rows / 2)  # a pair may be the largest of both its members
    assert abs(found[0].mean() - random_level(rows, dim)) < 4 * error
    assert 0.97 < found[1].mean() / found[0].mean() < 1


def test_same_key_same_bytes():
    first, again, other = (pushed_apart(jax.random.key(i), 20, 6, steps=3, rate=3e-4) for i in (0, 0, 1))
    assert np.asarray(first).tobytes() == np.asarray(again).tobytes() != np.asarray(other).tobytes()
