"""The rows nobody trained: perfect for the true codes, a floor for random directions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scoring import Rows, family, orthonormal, sampled

from mpsae.code import Code
from mpsae.oracle import Bound, Projection, TrueCodes
from mpsae.saes.mp import MatchingPursuit
from mpsae.score import score

KEY = jax.random.key(0)
PURSUIT = MatchingPursuit(k=5, tol=0.01, revive="none")


@pytest.fixture(scope="module")
def world():
    return family(orthonormal(5, 8))


@pytest.fixture(scope="module")
def rows(world):
    return Rows(*sampled(world), truth=world)


def test_the_true_bound_without_an_encoder_is_the_truth_itself(world, rows):
    encoder, params = Bound("oracle codes", "true", None).build(world, KEY)
    assert isinstance(encoder, TrueCodes)
    np.testing.assert_array_equal(params["atoms"], np.asarray(world.atoms, np.float32))
    scores = score(encoder, params, rows, metrics=["fvu", "mcc_signed", "f1_hungarian", "l0"])
    assert scores.value("fvu") < 1e-12
    assert scores.value("mcc_signed") == pytest.approx(1.0, abs=1e-6)
    assert scores.value("f1_hungarian") == pytest.approx(1.0, abs=1e-6)
    assert scores.value("l0") == pytest.approx((rows.z > 0).sum(1).mean())


def test_the_true_bound_with_a_pursuit_recovers_orthogonal_features(world, rows):
    encoder, params = Bound("oracle MP", "true", PURSUIT).build(world, KEY)
    assert encoder is PURSUIT
    scores = score(encoder, params, rows, metrics=["fvu", "f1_hungarian"])
    assert scores.value("fvu") < 1e-4 and scores.value("f1_hungarian") > 0.99


def test_the_random_bound_is_unit_rows_of_the_true_shape_drawn_from_the_key(world):
    bound = Bound("random", "random", PURSUIT)
    atoms = bound.build(world, KEY)[1]["atoms"]
    assert atoms.shape == world.atoms.shape
    np.testing.assert_allclose(jnp.linalg.norm(atoms, axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(atoms, bound.build(world, KEY)[1]["atoms"])
    assert not np.allclose(atoms, bound.build(world, jax.random.key(1))[1]["atoms"])
    assert np.abs(atoms @ np.asarray(world.atoms).T).max() < 0.999


def test_an_unknown_dictionary_is_refused_with_the_nearest_spelling(world):
    with pytest.raises(ValueError, match="unknown dictionary 'tru'.*did you mean 'true'"):
        Bound("x", "tru", None).build(world, KEY)


def test_the_offset_of_the_world_is_the_bias():
    plain, truth = family(orthonormal(5, 8)), Bound("oracle codes", "true", None)
    assert np.all(truth.build(plain, KEY)[1]["bias"] == 0)
    moved = plain.replace(offset=jnp.arange(8.0))
    encoder, params = truth.build(moved, KEY)
    np.testing.assert_array_equal(params["bias"], np.arange(8.0))
    x, z = sampled(moved)
    np.testing.assert_allclose(encoder.decode(params, Code(values=jnp.asarray(z), width=5)), x, atol=1e-5)


def test_projection_keeps_the_k_largest_positive_products(world):
    encoder, params = Bound("oracle top-k", "true", Projection(k=2)).build(world, KEY)
    x = np.random.default_rng(0).normal(size=(7, 8)).astype(np.float32)
    found = np.asarray(encoder.encode(params, jnp.asarray(x)).dense())
    products = x.astype(np.float64) @ np.asarray(world.atoms, np.float64).T
    expected = np.zeros_like(products)
    for row, product in enumerate(products):
        for i in np.argsort(-product)[:2]:
            expected[row, i] = max(product[i], 0.0)
    np.testing.assert_allclose(found, expected, atol=1e-5)
