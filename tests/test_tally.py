"""Sums of a code are the same dense and sparse, with repeated, padded and negative entries."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mpsae import tally
from mpsae.code import Code

WIDTH, ROWS, K = 5, 4, 6
MATCHES = ([2, 0, 4], [-1, 1, -1, 0], [3, 3, 3, 1, 3], [-1], [4, 3, 2, 1, 0, -1])


@settings(max_examples=30, deadline=None)
@given(
    values=npst.arrays(np.float32, (ROWS, K), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0, -0.5])),
    indices=npst.arrays(np.int32, (ROWS, K), elements=st.integers(0, WIDTH - 1)),
)
def test_both_forms_say_the_same(values, indices):
    z = np.zeros((ROWS, WIDTH))
    np.add.at(z, (np.arange(ROWS)[:, None], indices), values)
    code = Code(values=jnp.asarray(values), indices=jnp.asarray(indices), width=WIDTH)
    for form in (code.merged(), Code(values=code.dense(), width=WIDTH)):
        np.testing.assert_array_equal(form.dense(), z)
        np.testing.assert_array_equal(tally.per_latent(form, form.values != 0), (z != 0).sum(0))
        np.testing.assert_array_equal(tally.per_latent(form, jnp.square(form.values)), np.square(z).sum(0))
        np.testing.assert_array_equal(jnp.abs(form.values).sum(1), np.abs(z).sum(1))
        weight = np.arange(1.0, WIDTH + 1)
        scaled = form.values * tally.of_latent(form, jnp.asarray(weight, jnp.float32))
        np.testing.assert_array_equal(form.replace(values=scaled).dense(), z * weight)
        for match in MATCHES:
            expected = np.where(np.array(match) >= 0, z[:, match], 0)
            np.testing.assert_array_equal(tally.columns(form, jnp.array(match)), expected)
        np.testing.assert_array_equal(tally.second_moment(form), z.T @ z)
        np.testing.assert_array_equal(tally.to_csr(form).toarray(), z)


@pytest.mark.parametrize("width", [40, 4000])  # small enough to be made dense, and not
def test_second_moment_of_few_entries_in_many_latents(width):
    rng = np.random.default_rng(0)
    indices = rng.integers(width, size=(50, 3))
    code = Code(values=jnp.asarray(rng.normal(size=(50, 3)), jnp.float32), indices=indices, width=width)
    z = np.asarray(code.dense(), np.float64)
    np.testing.assert_allclose(tally.second_moment(code.merged()), z.T @ z, atol=1e-5)


def test_broken_codes_stay_broken():
    code = Code(values=jnp.array([[jnp.nan, 1.0]]), indices=jnp.array([[1, 1]]), width=3).merged()
    assert np.isnan(code.dense()[0, 1]) and code.l0().tolist() == [1]
    assert np.isnan(tally.to_csr(code).toarray()[0, 1])
