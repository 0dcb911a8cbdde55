"""The variant gradient_pursuit: bias, another k at inference, the gradient through decode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_gradient import oracle, problem

from mpsae.sae import Context
from mpsae.saes.gradient_pursuit import GradientPursuit

K = 5


def params_and_rows(bias="pre"):
    x, atoms = problem(1, 20, 10, 30)
    shift = 0.1 * np.random.default_rng(1).normal(size=10)
    return {"atoms": atoms} | ({"bias": shift} if bias == "pre" else {}), x


@pytest.mark.parametrize("bias, k", [("pre", K), ("none", K), ("pre", 2)])
def test_codes_and_rows_rebuilt_match_the_loop(bias, k):
    sae = GradientPursuit(k=K, bias=bias).at_k(k)
    assert not sae.nested
    params, x = params_and_rows(bias)
    expected = oracle(x - params.get("bias", 0.0), params["atoms"], k)
    small = jax.tree.map(jnp.float32, params)
    code = jax.jit(sae.encode)(small, jnp.float32(x))
    rebuilt = sae.decode(small, code)
    for n, (taken, values, residual) in enumerate(expected):
        np.testing.assert_array_equal(code.indices[n], taken)
        np.testing.assert_allclose(code.values[n], values, atol=1e-5)
        np.testing.assert_allclose(rebuilt[n], x[n] - residual, atol=1e-5)


def test_the_gradient_is_that_of_decode_at_a_constant_code():
    sae = GradientPursuit(k=K)
    params, x = jax.tree.map(jnp.float32, params_and_rows())
    ctx = Context(step=0, steps=1, key=jax.random.key(0), state={})
    grads, code = jax.jit(jax.grad(lambda p: sae.loss(p, x, ctx), has_aux=True))(params)
    error = np.asarray(x - sae.decode(params, code), float)
    np.testing.assert_allclose(
        grads["atoms"], -2 * np.asarray(code.dense()).T @ error / len(x), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(grads["bias"], -2 * error.mean(0), rtol=1e-4, atol=1e-6)
