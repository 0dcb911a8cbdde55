"""One projection and what is kept of it: the k largest, or all above a calibrated threshold."""

import jax.numpy as jnp
import numpy as np
import pytest

from mpsae import projection
from mpsae.projection import Cut, Projection, calibrated, threshold
from mpsae.saes.mp import MatchingPursuit

RNG = np.random.default_rng(0)
ATOMS = RNG.normal(size=(9, 6)) / np.sqrt(6)
BIAS = RNG.normal(size=6)
PARAMS = {"atoms": jnp.asarray(ATOMS, jnp.float32), "bias": jnp.asarray(BIAS, jnp.float32)}
X = (RNG.normal(size=(50, 6)) + BIAS).astype(np.float32)
PRODUCTS = (X - BIAS) @ ATOMS.T  # float64


def test_projection_keeps_the_k_largest_positive_products():
    found = np.asarray(Projection(k=7).encode(PARAMS, jnp.asarray(X)).dense())
    expected = np.zeros_like(PRODUCTS)
    for row, product in enumerate(PRODUCTS):
        for i in np.argsort(-product)[:7]:
            expected[row, i] = max(product[i], 0.0)
    assert (expected > 0).sum() < expected.size * 7 / 9  # some of the 7 largest are negative
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("at_once", [7, 1024])
@pytest.mark.parametrize("l0", [0.0, 0.3, 1.36, 4.0])
def test_a_cut_keeps_so_many_of_the_largest_products_of_all_rows(monkeypatch, l0, at_once):
    monkeypatch.setattr(projection, "ROWS_AT_ONCE", at_once)
    params = calibrated(Cut(l0=l0), PARAMS, X)
    assert float(params["threshold"]) == pytest.approx(
        np.sort(PRODUCTS.ravel())[-round(l0 * 50) - 1], abs=1e-6
    )
    code = Cut(l0=l0).encode(params, jnp.asarray(X))
    assert int(code.l0().sum()) == round(l0 * 50)
    kept = np.where(float(params["threshold"]) + 1e-6 < PRODUCTS, PRODUCTS, 0.0)
    np.testing.assert_allclose(code.dense(), kept, atol=1e-5)


def test_a_cut_that_asks_for_more_than_is_positive_keeps_what_is_positive():
    params = calibrated(Cut(l0=9.0), PARAMS, X)
    assert float(params["threshold"]) == threshold(PARAMS, X, 9.0) == 0.0
    code = Cut(l0=9.0).encode(params, jnp.asarray(X))
    np.testing.assert_allclose(code.dense(), np.maximum(PRODUCTS, 0.0), atol=1e-5)


def test_other_encoders_take_nothing_from_rows():
    for encoder in (Projection(k=2), MatchingPursuit(k=2)):
        assert calibrated(encoder, PARAMS, X) is PARAMS


def test_decoding_adds_the_bias():
    code = Projection(k=3).encode(PARAMS, jnp.asarray(X))
    np.testing.assert_allclose(
        Projection(k=3).decode(PARAMS, code), np.asarray(code.dense(), float) @ ATOMS + BIAS, atol=1e-5
    )
