"""A batch-wide list of entries against the dense form, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae import entries

BATCH, WIDTH, DIM = 6, 11, 7


def problem(count, seed=0):
    """Places without repeats, as a selection gives them; some values are 0; rows differ in number."""
    rng = np.random.default_rng(seed)
    places = rng.permutation(BATCH * WIDTH)[:count]
    places = places[places // WIDTH != 4]
    values = rng.uniform(0.1, 1.0, size=len(places))
    values[:2] = 0.0
    return values, places, rng.normal(size=(WIDTH, DIM)), rng.normal(size=(BATCH, DIM))


@pytest.mark.parametrize("count", [5, 12, 20, 60])
def test_combine_and_its_gradient(count):
    values, places, atoms, weight = problem(count)
    with jax.enable_x64(True):
        values, places, atoms, weight = map(jnp.asarray, (values, places, atoms, weight))

        def dense(values, atoms):
            return jnp.zeros(BATCH * WIDTH).at[places].add(values).reshape(BATCH, WIDTH) @ atoms

        def ours(values, atoms):
            return entries.combine(entries.entries(values, places, BATCH, WIDTH), atoms)

        np.testing.assert_allclose(ours(values, atoms), dense(values, atoms), atol=1e-12)
        got, wanted = (
            jax.jit(jax.grad(lambda v, a, f=f: (f(v, a) ** 2 * weight).sum(), (0, 1)))(values, atoms)
            for f in (ours, dense)
        )
        for one, two in zip(got, wanted, strict=True):
            assert one.dtype == jnp.float64
            np.testing.assert_allclose(one, two, atol=1e-10)


def test_combine_apart_and_its_gradient():
    values, places, atoms, _ = problem(60)
    part = np.random.default_rng(2).integers(0, 3, len(places))
    weight = np.random.default_rng(3).normal(size=(3, BATCH, DIM))
    with jax.enable_x64(True):
        values, places, atoms, weight = map(jnp.asarray, (values, places, atoms, weight))

        def dense(values, atoms):
            apart = jnp.zeros((3, BATCH * WIDTH)).at[part, places].add(values)
            return apart.reshape(3, BATCH, WIDTH) @ atoms

        def ours(values, atoms):
            code = entries.entries(values, places, BATCH, WIDTH)
            padded = jnp.pad(jnp.asarray(part), (0, code.values.size - len(part)))
            return entries.combine_apart(code, padded.reshape(code.values.shape), 3, atoms)

        np.testing.assert_allclose(ours(values, atoms), dense(values, atoms), atol=1e-12)
        got, wanted = (
            jax.jit(jax.grad(lambda v, a, f=f: (f(v, a) ** 2 * weight).sum(), (0, 1)))(values, atoms)
            for f in (ours, dense)
        )
        for one, two in zip(got, wanted, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-10)


@pytest.mark.parametrize("count", [5, 60])
def test_chosen_gradient_is_that_of_the_preactivation(count):
    _, places, encoder, x = problem(count)
    rng = np.random.default_rng(1)
    offset, shift, slope = rng.normal(size=WIDTH), rng.normal(size=DIM), rng.normal(size=len(places))
    with jax.enable_x64(True):
        args = [jnp.asarray(a) for a in (x, shift, encoder.T, offset)]

        def dense(x, shift, encoder, offset):
            return jax.nn.relu((x - shift) @ encoder + offset).reshape(-1)[places]

        def ours(*args):
            code = entries.entries(jax.lax.stop_gradient(dense(*args)), places, BATCH, WIDTH)
            return entries.chosen(code, *args).values.reshape(-1)[: len(places)]

        np.testing.assert_array_equal(ours(*args), dense(*args))
        assert (dense(*args) == 0).any()
        got, wanted = (
            jax.jit(jax.grad(lambda *a, f=f: (f(*a) * slope + f(*a) ** 2).sum(), (0, 1, 2, 3)))(*args)
            for f in (ours, dense)
        )
        for one, two in zip(got, wanted, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-10)
            assert float(jnp.abs(one).max()) > 0.1
