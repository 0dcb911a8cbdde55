"""A conditional term: its value, its gradient, and 0 for both where it is not needed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.lazy import only_if

ARGS = jnp.asarray([1.0, -2.0, 3.0]), {"a": jnp.asarray(0.5)}
CONSTANT = jnp.asarray([2, 0, 1])


def term(order, x, params):
    return (jnp.sin(params["a"] * x[order]) * jnp.arange(1.0, 4.0)).sum()


@pytest.mark.parametrize("needed", [True, False])
def test_value_and_gradient(needed):
    @jax.jit
    def both(needed, x, params):
        return jax.value_and_grad(lambda x, p: 2 * only_if(needed, term, CONSTANT, x, p), (0, 1))(x, params)

    got = both(jnp.asarray(needed), *ARGS)
    wanted = jax.value_and_grad(lambda x, p: 2 * needed * term(CONSTANT, x, p), (0, 1))(*ARGS)
    for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_members_of_a_stack_may_differ():
    needed = jnp.asarray([True, False])
    got = jax.vmap(lambda n, x: jax.grad(lambda x: only_if(n, term, CONSTANT, x, ARGS[1]))(x))(
        needed, jnp.stack([ARGS[0]] * 2)
    )
    np.testing.assert_allclose(got[0], jax.grad(lambda x: term(CONSTANT, x, ARGS[1]))(ARGS[0]), rtol=1e-6)
    np.testing.assert_array_equal(got[1], 0.0)
