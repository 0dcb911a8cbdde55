"""Sparse sums and their gradients against the dense form, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae import sparse

BATCH, DIM = 6, 7
# (width, k): few atoms, many atoms by entries, many atoms by products.
SIZES = [(20, 3), (sparse.SMALL + 44, 4), (sparse.SMALL + 44, 60)]


def problem(width, k, seed=0):
    """Entries with repeats in a row, padding, a row of padding only, and atoms that nobody uses."""
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, width, size=(BATCH, k))
    indices[0] = indices[0, 0]
    indices[2, :2] = indices[1, :2]
    values = rng.uniform(0.1, 1.0, size=(BATCH, k))
    values[3, k // 2 :] = 0.0
    values[4] = 0.0
    return values, indices, rng.normal(size=(width, DIM)), rng.normal(size=(BATCH, DIM))


def close(got, wanted):
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        assert one.dtype == jnp.float64
        np.testing.assert_allclose(one, two, atol=1e-10)


def test_each_form_is_tested():
    small, rows, products = SIZES
    assert sparse.is_small(small[0]) and not sparse.is_small(rows[0])
    assert rows[1] * sparse.ENTRY <= rows[0] and products[1] * sparse.ENTRY > products[0]


@pytest.mark.parametrize("width, k", SIZES)
def test_combine_and_its_gradient(width, k):
    with jax.enable_x64(True):
        values, indices, atoms, weight = map(jnp.asarray, problem(width, k))

        def dense(values, atoms):
            return ((jax.nn.one_hot(indices, width) * values[:, :, None]).sum(1) @ atoms) ** 2

        def ours(values, atoms):
            return sparse.combine(values, indices, atoms) ** 2

        close(ours(values, atoms), dense(values, atoms))
        got, wanted = (
            jax.jit(jax.grad(lambda v, a, f=f: (f(v, a) * weight).sum(), (0, 1)))(values, atoms)
            for f in (ours, dense)
        )
        close(got, wanted)
        assert all(float(jnp.abs(leaf).max()) > 0.1 for leaf in got)


@pytest.mark.parametrize("width, k", SIZES[1:])
def test_chosen_and_its_gradient(width, k):
    """Repeats, entries that ReLU cut (they are padding) and a row of them."""
    _, indices, encoder, x = problem(width, k)
    rng = np.random.default_rng(1)
    offset, shift, slope = rng.normal(size=width), rng.normal(size=DIM), rng.normal(size=(BATCH, k))
    x[4], offset[indices[4]] = shift, -1.0
    with jax.enable_x64(True):
        args = [jnp.asarray(a) for a in (x, shift, encoder.T, offset)]
        indices = jnp.asarray(indices)

        def dense(x, shift, encoder, offset):
            positive = jax.nn.relu((x - shift) @ encoder + offset)
            return jnp.take_along_axis(positive, indices, axis=1)

        def ours(*args):
            return sparse.chosen(jax.lax.stop_gradient(dense(*args)), indices, *args)

        values = dense(*args)
        assert (values[4] == 0).all() and (values[:4] == 0).any() and (values[:4] > 0).any()
        close(ours(*args), values)
        got, wanted = (
            jax.jit(jax.grad(lambda *a, f=f: (f(*a) * slope + f(*a) ** 2).sum(), (0, 1, 2, 3)))(*args)
            for f in (ours, dense)
        )
        close(got, wanted)
        assert all(float(jnp.abs(leaf).max()) > 0.1 for leaf in got)


@pytest.mark.parametrize("width, k", SIZES)
def test_spread_adds_repeats(width, k):
    values, indices, _, _ = problem(width, k)
    wanted = np.zeros((BATCH, width))
    for row, column, value in zip(
        np.repeat(np.arange(BATCH), k), indices.ravel(), values.ravel(), strict=True
    ):
        wanted[row, column] += value
    np.testing.assert_allclose(
        sparse.spread(jnp.asarray(values, jnp.float32), indices, width), wanted, rtol=1e-6
    )


def test_a_stack_of_members_is_each_alone():
    width, k = SIZES[1]
    many = [problem(width, k, seed) for seed in range(3)]
    values, indices, atoms, weight = (
        jnp.asarray(np.stack(part), jnp.float32) for part in zip(*many, strict=True)
    )
    indices = indices.astype(jnp.int32)

    def gradient(values, indices, atoms, weight):
        return jax.grad(lambda v, a: (sparse.combine(v, indices, a) * weight).sum(), (0, 1))(values, atoms)

    together = jax.vmap(gradient)(values, indices, atoms, weight)
    for i in range(3):
        alone = gradient(values[i], indices[i], atoms[i], weight[i])
        for one, two in zip(together, alone, strict=True):
            np.testing.assert_allclose(one[i], two, atol=1e-6)


def test_transposition_in_blocks_is_exact():
    for rows in (1, 63, 64, 65, 200):
        matrix = np.random.default_rng(rows).normal(size=(rows, 5)).astype(np.float32)
        np.testing.assert_array_equal(sparse._transposed_in_blocks(jnp.asarray(matrix)), matrix.T)
