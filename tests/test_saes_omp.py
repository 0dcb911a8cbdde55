"""The variant omp: bias, inference at another k, and a gradient that is whole though codes are fixed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_orthogonal import oracle, problem

from mpsae.sae import Context
from mpsae.saes.omp import OrthogonalPursuit
from mpsae.testing import assert_sae


def params_and_rows(bias=True):
    x, atoms = problem(3, 20, 10, 30)
    shift = 0.3 * np.random.default_rng(1).normal(size=10)
    return {"atoms": atoms} | ({"bias": shift} if bias else {}), x


@pytest.mark.parametrize("bias", ["pre", "none"])
@pytest.mark.parametrize("fit", ["least_squares", "nonnegative"])
def test_codes_and_rows_rebuilt_match_the_oracle(fit, bias):
    sae = OrthogonalPursuit(k=4, fit=fit, bias=bias)
    params, x = params_and_rows(bias == "pre")
    shift = params.get("bias", 0.0)
    expected = oracle(x - shift, params["atoms"], 4, "max", fit)
    small = jax.tree.map(jnp.float32, params)
    code = jax.jit(sae.encode)(small, jnp.float32(x))
    rebuilt = sae.decode(small, code)
    for n, (taken, values, residual) in enumerate(expected):
        np.testing.assert_array_equal(code.indices[n, : len(taken)], taken)
        np.testing.assert_allclose(code.values[n, : len(taken)], values, atol=1e-4)
        np.testing.assert_allclose(rebuilt[n], x[n] - residual, atol=1e-4)


def test_another_k_at_inference_fits_anew():
    sae = OrthogonalPursuit(k=6)
    params, x = params_and_rows()
    assert not sae.nested
    assert sae.at_k(2) == sae.replace(k=2)
    cut = sae.at_k(2).encode(params, x)
    for n, (taken, values, _) in enumerate(oracle(x - params["bias"], params["atoms"], 2, "max", sae.fit)):
        np.testing.assert_array_equal(cut.indices[n], taken)
        np.testing.assert_allclose(cut.values[n], values, atol=1e-4)


def test_the_gradient_through_decode_only_is_the_whole_gradient_of_the_error():
    """Central differences of the loss, in which the codes do change."""
    sae = OrthogonalPursuit(k=3)
    with jax.enable_x64(True):
        params, x = jax.tree.map(jnp.asarray, params_and_rows())
        ctx = Context(step=0, steps=1, key=jax.random.key(0), state={})
        loss = jax.jit(lambda params: sae.loss(params, x, ctx)[0])
        grads = jax.grad(lambda params: sae.loss(params, x, ctx)[0])(params)
        draw = np.random.default_rng(0)
        for name in params:
            way = jnp.asarray(draw.normal(size=params[name].shape))
            slope = [loss(params | {name: params[name] + h * way}) for h in (1e-6, -1e-6)]
            np.testing.assert_allclose((grads[name] * way).sum(), (slope[0] - slope[1]) / 2e-6, rtol=1e-6)
        through_x = jax.grad(lambda x: sae.encode(params, x).values.sum())(x)
    np.testing.assert_array_equal(through_x, 0.0)


def test_a_magnitude_cannot_be_chosen_for_codes_that_are_not_negative():
    with pytest.raises(ValueError, match=r"sae\.select = 'abs'"):
        OrthogonalPursuit(fit="nonnegative", select="abs").validate(5, 9)


def test_the_nonnegative_form_keeps_the_contract():
    assert_sae(OrthogonalPursuit(k=3, fit="nonnegative"), quick=True)
