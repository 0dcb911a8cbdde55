"""Gram matrices in tiles against float64 products, at widths around the edge of a tile."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.routes.product import EDGE, gram, product

WIDTHS = (1, EDGE - 1, EDGE, EDGE + 1, 2 * EDGE - 1, 2 * EDGE, 2 * EDGE + 1, 1000)
UNIT = 2.0**-24  # relative rounding of float32
in_tiles = jax.jit(gram, static_argnames="out")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("width", WIDTHS)
def test_gram_is_the_product_of_all_pairs(width, dtype):
    """Factors of bfloat16 are rounded before the product, so their products are as exact as any."""
    dim = 9
    rows = jnp.asarray(np.random.default_rng(width).normal(size=(width, dim)), dtype)
    got = np.asarray(in_tiles(rows, out=jnp.float32))
    exact = np.asarray(rows, np.float64)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, got.T)
    sizes = np.linalg.norm(exact, axis=1)
    error = np.abs(got - exact @ exact.T)
    assert (error <= (dim + 1) * UNIT * sizes[:, None] * sizes).all()


def test_gram_takes_the_type_of_its_rows():
    rows = np.random.default_rng(0).normal(size=(EDGE + 3, 4))
    with jax.enable_x64(True):
        got = in_tiles(jnp.asarray(rows))
        assert got.dtype == jnp.float64
        np.testing.assert_allclose(got, rows @ rows.T, atol=1e-14)


def test_product_sums_low_factors_in_the_type_asked_for():
    """256 + 1 is no bfloat16: a sum in the type of the factors would lose the 1."""
    left = jnp.asarray([[16.0, 1.0]], jnp.bfloat16)
    assert product(left, left, out=jnp.float32).tolist() == [[257.0]]
    assert product(left, left).dtype == jnp.bfloat16
