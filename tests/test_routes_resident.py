"""The resident kernel, interpreted, against plain loops and the residual pursuit; its lowering for a GPU."""

import functools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsae.pursuit import Rule
from mpsae.pursuit import pursue as residual_pursuit
from mpsae.routes.resident import WIDEST, pursue

# (batch, width, k): one part and several, even and ragged, k a power of two and not
CASES = [(3, 37, 5), (2, 256, 1), (2, 600, 4)]


@functools.cache
def compiled(k, warps=None):
    return jax.jit(functools.partial(pursue, k=k, warps=warps, interpret=True))


def oracle(correlations, gram, k):
    batch = len(correlations)
    indices, values = np.zeros((batch, k), int), np.zeros((batch, k))
    for row, c in enumerate(correlations.astype(np.float64)):
        for step in range(k):
            if np.isnan(c).any():
                values[row, step:] = np.nan
                break
            index = c.argmax()
            value = c[index]
            if value <= 0:
                break
            indices[row, step], values[row, step] = index, value
            with np.errstate(invalid="ignore"):
                c = c - value * gram[index]
    return indices, values


def problem(batch, width, seed, dim=24):
    rng = np.random.default_rng(seed)
    atoms = rng.normal(size=(width, dim))
    atoms = (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)
    return rng, rng.normal(size=(batch, dim)).astype(np.float32), atoms


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 2**32 - 1))
def test_equal_to_the_loop_with_ties_and_early_ends(case, seed):
    """Small integers: exact in float32, many equal maxima, rows that end; and NaN and infinite rows."""
    batch, width, k = case
    rng = np.random.default_rng(seed)
    correlations = rng.integers(-3, 3, (batch, width)).astype(np.float32)
    if rng.random() < 0.5:
        correlations = np.minimum(correlations, 0)
        correlations[:, rng.integers(width, size=2)] = 2
    if rng.random() < 0.4:
        place = rng.integers(batch), rng.integers(width)
        correlations[place] = rng.choice([np.nan, np.inf, -np.inf])
    half = rng.integers(-1, 2, (width, width)) * (rng.random((width, width)) < 0.2)
    gram = (np.triu(half, 1) + np.triu(half, 1).T + np.eye(width)).astype(np.float32)
    indices, values = compiled(k)(correlations, gram)
    want_indices, want = oracle(correlations, gram, k)
    np.testing.assert_array_equal(indices, want_indices)
    np.testing.assert_array_equal(values, want)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_without_a_positive_product(case):
    batch, width, k = case
    hostile = np.stack([np.full(width, fill, np.float32) for fill in (0.0, -np.inf, -1.0)])[:batch]
    indices, values = compiled(k)(hostile, np.eye(width, dtype=np.float32))
    assert not np.asarray(indices).any() and not np.asarray(values).any()


@pytest.mark.parametrize("warps", [1, 2])
def test_same_path_as_the_residual_pursuit(warps):
    _, x, atoms = problem(4, 600, 1)
    table = jnp.asarray(atoms)
    path = residual_pursuit(Rule(4), x, table, route="residual")
    indices, values = compiled(4, warps)(x @ atoms.T, atoms @ atoms.T)
    np.testing.assert_array_equal(indices, path.indices)
    np.testing.assert_allclose(values, path.values, atol=2e-6)
    assert (np.asarray(values) > 0).all()


def test_bfloat16_gram_is_that_gram():
    """The stored type rounds the Gram and nothing else."""
    _, x, atoms = problem(3, 600, 2)
    gram = (atoms @ atoms.T).astype(ml_dtypes.bfloat16)
    indices, values = compiled(4)(x @ atoms.T, gram)
    want_indices, want = oracle(x @ atoms.T, gram.astype(np.float64), 4)
    np.testing.assert_array_equal(indices, want_indices)
    np.testing.assert_allclose(values, want, atol=1e-5)
    assert np.abs(want - oracle(x @ atoms.T, np.float64(atoms @ atoms.T), 4)[1]).max() > 1e-4


def test_bad_sizes_and_no_rows():
    with pytest.raises(ValueError, match=f"width is {WIDEST + 1}, a multiprocessor holds {WIDEST}"):
        jax.eval_shape(
            functools.partial(pursue, k=1),
            jax.ShapeDtypeStruct((1, WIDEST + 1), jnp.float32),
            jax.ShapeDtypeStruct((WIDEST + 1, WIDEST + 1), jnp.float32),
        )
    with pytest.raises(ValueError, match="k is 0, must be at least 1"):
        pursue(jnp.zeros((1, 3)), jnp.eye(3), k=0)
    indices, values = pursue(jnp.zeros((0, 3)), jnp.eye(3), k=2)
    assert indices.shape == values.shape == (0, 2)


@pytest.mark.parametrize("width", [100, 1000, 24_576, WIDEST])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_lowers_for_a_gpu_without_one(width, dtype):
    shapes = jax.ShapeDtypeStruct((64, width), jnp.float32), jax.ShapeDtypeStruct((width, width), dtype)
    lowered = jax.jit(functools.partial(pursue, k=20)).trace(*shapes).lower(lowering_platforms=("cuda",))
    assert lowered.as_text().count("triton") == 1
