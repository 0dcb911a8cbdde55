"""A code says the same dense and sparse, with repeated and padded entries."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mpsae.code import Code

WIDTH, DIM, ROWS, K = 5, 3, 4, 6

# Row 0 repeats atom 3 and pads with atom 1; row 1 is padding only; row 2 has six different places
# to say two atoms; row 3 holds a negative value.
VALUES = np.array(
    [
        [1.0, 2.0, 0.0, 0.5, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [1.0, 1.0, 1.0, 2.0, 2.0, 2.0],
        [-3.0, 0.0, 1.0, 0.0, 0.25, 0.0],
    ],
    np.float32,
)
INDICES = np.array([[3, 0, 1, 3, 0, 0], [0, 0, 0, 0, 0, 0], [4, 4, 4, 2, 2, 2], [0, 0, 1, 2, 4, 4]])
SPARSE = Code(values=jnp.asarray(VALUES), indices=jnp.asarray(INDICES), width=WIDTH)


def merged(values, indices, width):
    """Oracle: one float64 addition per entry."""
    out = np.zeros((len(values), width))
    for row in range(len(values)):
        for value, index in zip(values[row], indices[row], strict=True):
            out[row, index] += value
    return out


def test_dense_adds_repeats_and_ignores_padding():
    expected = [[2, 0, 0, 1.5, 0], [0, 0, 0, 0, 0], [0, 0, 6, 0, 3], [-3, 1, 0, 0, 0.25]]
    np.testing.assert_array_equal(SPARSE.dense(), expected)
    np.testing.assert_array_equal(merged(VALUES, INDICES, WIDTH), expected)
    np.testing.assert_array_equal(Code(values=SPARSE.dense(), width=WIDTH).dense(), expected)


def test_decode_is_the_sum_of_atoms_in_both_forms():
    atoms = np.random.default_rng(0).normal(size=(WIDTH, DIM)).astype(np.float32)
    expected = merged(VALUES, INDICES, WIDTH) @ atoms.astype(float)
    dense = Code(values=SPARSE.dense(), width=WIDTH)
    np.testing.assert_allclose(SPARSE.decode(jnp.asarray(atoms)), expected, atol=1e-6)
    np.testing.assert_allclose(dense.decode(jnp.asarray(atoms)), expected, atol=1e-6)


def test_decode_gradient_is_the_same_in_both_forms():
    rng = np.random.default_rng(1)
    atoms, weight = rng.normal(size=(WIDTH, DIM)), rng.normal(size=(ROWS, DIM))
    sparse = jax.grad(lambda a: (SPARSE.decode(a) * weight).sum())(jnp.asarray(atoms, jnp.float32))
    np.testing.assert_allclose(sparse, merged(VALUES, INDICES, WIDTH).T @ weight, atol=1e-5)


def test_l0_counts_distinct_active_latents():
    np.testing.assert_array_equal(SPARSE.l0(), [2, 0, 2, 3])
    np.testing.assert_array_equal(Code(values=SPARSE.dense(), width=WIDTH).l0(), [2, 0, 2, 3])


def test_energy_is_of_entries_not_of_the_merged_code():
    np.testing.assert_allclose(SPARSE.energy(), [5.25, 0, 15, 10.0625])
    np.testing.assert_allclose(Code(values=SPARSE.dense(), width=WIDTH).energy(), [6.25, 0, 45, 10.0625])


def test_fired_is_any_row_in_both_forms():
    np.testing.assert_array_equal(SPARSE.fired(), [True] * 5)
    first = jax.tree.map(lambda leaf: leaf[:1], SPARSE)  # atom 1 is there as padding only
    np.testing.assert_array_equal(first.fired(), [True, False, False, True, False])
    np.testing.assert_array_equal(
        Code(values=first.dense(), width=WIDTH).fired(), [True, False, False, True, False]
    )


def test_merged_has_each_latent_once_and_says_the_same():
    merged_code = SPARSE.merged()
    assert merged_code.indices.shape == SPARSE.indices.shape
    np.testing.assert_array_equal(merged_code.dense(), SPARSE.dense())
    for values, indices in zip(merged_code.values, merged_code.indices, strict=True):
        there = np.asarray(indices)[np.asarray(values) != 0]
        assert len(set(there.tolist())) == len(there)
    cancelled = Code(values=jnp.array([[2.0, 1.0, -2.0]]), indices=jnp.array([[1, 0, 1]]), width=2)
    assert cancelled.l0().tolist() == [2] and cancelled.merged().l0().tolist() == [1]
    dense = Code(values=SPARSE.dense(), width=WIDTH)
    assert dense.merged() is dense
    np.testing.assert_array_equal(dense.latents, [range(WIDTH)] * ROWS)


def test_largest_merges_first_and_keeps_the_sign():
    top = SPARSE.largest(1)
    np.testing.assert_array_equal(top.dense(), [[2, 0, 0, 0, 0], [0] * 5, [0, 0, 6, 0, 0], [-3, 0, 0, 0, 0]])
    np.testing.assert_array_equal(SPARSE.largest(2).dense()[3], [-3, 1, 0, 0, 0])
    np.testing.assert_array_equal(SPARSE.largest(100).dense(), SPARSE.dense())
    assert SPARSE.largest(100).values.shape == (ROWS, WIDTH)


@settings(max_examples=30, deadline=None)
@given(
    values=npst.arrays(np.float32, (ROWS, K), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0, 0.5])),
    indices=npst.arrays(np.int32, (ROWS, K), elements=st.integers(0, WIDTH - 1)),
)
def test_sparse_and_dense_agree_on_everything(values, indices):
    sparse = Code(values=jnp.asarray(values), indices=jnp.asarray(indices), width=WIDTH)
    dense = Code(values=sparse.dense(), width=WIDTH)
    expected = merged(values, indices, WIDTH)
    np.testing.assert_array_equal(sparse.dense(), expected)
    np.testing.assert_array_equal(sparse.l0(), (expected != 0).sum(1))
    np.testing.assert_array_equal(dense.l0(), (expected != 0).sum(1))
    np.testing.assert_array_equal(sparse.fired(), (expected != 0).any(0))
    np.testing.assert_array_equal(dense.fired(), (expected != 0).any(0))
    np.testing.assert_array_equal(sparse.merged().dense(), expected)
    np.testing.assert_array_equal(sparse.merged().merged().values, sparse.merged().values)
    for k in (1, 3):
        kept = np.sort(expected, axis=1)[:, ::-1][:, :k]
        np.testing.assert_array_equal(sparse.largest(k).values, kept)
