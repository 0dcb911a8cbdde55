"""The jump and the step: values, and the published pseudo-gradients, entry by entry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.jump import jump, step

PRE = np.array([[0.2, 0.51, 0.9], [0.54, 0.49, -1.0]])
THRESHOLD = np.array([0.5, 0.5, 0.1])
GRAD = np.array([[1.0, 2.0, -3.0], [4.0, 5.0, 6.0]])
WIDE = 0.1  # bandwidth: of the six entries three lie within .05 of their threshold


def pulled(function):
    value, back = jax.vjp(function, jnp.asarray(PRE), jnp.asarray(THRESHOLD), jnp.asarray(WIDE))
    return value, back(jnp.asarray(GRAD, value.dtype))


def near():
    return (np.abs(PRE - THRESHOLD) < WIDE / 2) / WIDE


def test_jump():
    value, (pre, threshold, bandwidth) = pulled(jump)
    on = THRESHOLD < PRE
    np.testing.assert_allclose(value, PRE * on, rtol=1e-6)
    np.testing.assert_allclose(pre, GRAD * on, rtol=1e-6)
    np.testing.assert_allclose(threshold, -(GRAD * near() * THRESHOLD).sum(0), rtol=1e-5)
    assert bandwidth == 0 and np.count_nonzero(near()) == 3


def test_step():
    value, (pre, threshold, bandwidth) = pulled(step)
    np.testing.assert_array_equal(value, THRESHOLD < PRE)
    np.testing.assert_array_equal(pre, 0)
    np.testing.assert_allclose(threshold, -(GRAD * near()).sum(0), rtol=1e-5)
    assert bandwidth == 0


def test_the_step_gradient_is_that_of_the_expected_count():
    """Of N(0, 1) values, d/dθ P(π > θ) = -density(θ): what the rectangle estimates."""
    pre = jax.random.normal(jax.random.key(0), (400_000, 1))
    threshold = jnp.asarray([0.7])
    found = jax.grad(lambda t: step(pre, t, jnp.float32(0.05)).mean())(threshold)
    assert found[0] == pytest.approx(-np.exp(-0.49 / 2) / np.sqrt(2 * np.pi), rel=0.02)
