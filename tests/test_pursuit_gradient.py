"""The sparse gradient of a pursuit against autodiff of the unrolled loop in float64."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pursuit_oracle import (
    CASES,
    OPTIONS,
    PLAIN,
    as_jax,
    build,
    label,
    oracle,
    problem,
)

from mpsae.sae import Context
from mpsae.saes.mp import MatchingPursuit


def unrolled(sae, params, x, seen):
    """The same pursuit as differentiable dense operations in a Python loop."""
    constant = jax.lax.stop_gradient
    atoms = params["atoms"]
    width = len(atoms)
    weights = params.get("analysis", atoms) * seen[:, None]
    offsets = params.get("analysis_bias", jnp.zeros(width)) * seen
    sizes = jnp.sqrt((atoms**2).sum(1))
    residual = x - params.get("bias", 0.0)
    limit = sae.tol * (jnp.sqrt((residual**2).sum(1)) if sae.tol_kind == "relative" else 1.0)
    slot = jnp.arange(width) // (width // sae.slices)
    active, count, values = jnp.ones(len(x), bool), jnp.zeros((len(x), width)), []
    for t in range(sae.k):
        inside = constant(residual) if sae.grad_residual == "detach" else residual
        products = inside @ weights.T + offsets
        scores = values_all = products
        if sae.analysis == "tied" and sae.step_size == "projection":
            scores, values_all = products / sizes, products / sizes**2
        scores = constant(jnp.abs(scores) if sae.select == "abs" else scores)
        scores = jnp.where(slot == t % sae.slices, scores, -jnp.inf) if sae.slices > 1 else scores
        scores = jnp.where(count > 0, -jnp.inf, scores) if sae.on_repeat == "ban" else scores
        one_hot = jax.nn.one_hot(jnp.argmax(scores, 1), width, dtype=x.dtype)
        value = (values_all * one_hot).sum(1)
        value = jax.nn.relu(value) if sae.select == "relu_max" else value
        value = jnp.where(active, value, 0.0)
        residual = residual - value[:, None] * (one_hot @ atoms)
        repeated = ((count > 0) & (one_hot > 0)).any(1) | (value == 0)
        count = count + one_hot * active[:, None]
        done = (residual**2).sum(1) < limit**2
        active = active & ~(done | repeated if sae.on_repeat == "stop" else done)
        values.append(value)
    return jnp.stack(values, 1), residual


def gradients(function, params, x, weights):
    def total(params, x):
        values, residual = function(params, x)
        # Squares make the cotangent depend on the outputs, as in a real loss.
        return (values * weights[0] + values**2).sum() + (residual * weights[1] + residual**2).sum()

    return jax.grad(total, (0, 1))(params, x)


def check_gradient(sae, params, x, seen):
    rng = np.random.default_rng(9)
    with jax.enable_x64(True):
        params, x, seen = as_jax(params, jnp.float64), jnp.asarray(x), jnp.asarray(seen, jnp.float64)
        weights = jnp.asarray(rng.normal(size=(len(x), sae.k))), jnp.asarray(rng.normal(size=x.shape))
        path = functools.partial(sae.path, seen=seen)
        got = jax.jit(lambda p, x: gradients(lambda p, x: path(p, x)[1:], p, x, weights))(params, x)
        wanted = gradients(lambda p, x: unrolled(sae, p, x, seen), params, x, weights)
        for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            assert one.dtype == jnp.float64
            np.testing.assert_allclose(one, two, atol=1e-10 * max(1.0, float(jnp.abs(two).max())))
        assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(got)) > 0.1


@pytest.mark.parametrize("case", CASES, ids=label)
def test_gradient_is_that_of_the_unrolled_loop(case):
    sae = build(case)
    params, x = problem(sae)
    hidden = np.arange(len(params["atoms"])) % 4 != 1  # as atom dropout hides them
    check_gradient(sae, params, x, hidden if CASES.index(case) % 2 else np.ones(len(hidden)))


@pytest.mark.parametrize("grad_residual", ["full", "detach"])
def test_gradient_with_atoms_selected_again(grad_residual):
    sae = PLAIN.replace(k=9, grad_residual=grad_residual)
    params, x = problem(sae)
    params["atoms"] = params["atoms"] * 0.7  # short atoms leave something behind: they are taken again
    indices, values, _ = oracle(sae, params, x)
    assert any(len(set(row[v != 0])) < (v != 0).sum() for row, v in zip(indices, values, strict=True))
    check_gradient(sae, params, x, np.ones(len(params["atoms"])))


def test_gradient_of_the_loss_is_that_of_decoding_the_code():
    """The loss uses the residual; ‖x - decode(encode(x))‖² must have the same gradient."""
    ctx = Context(step=0, steps=1, key=jax.random.key(0), state={})
    for bias, analysis in itertools.product(OPTIONS["bias"], OPTIONS["analysis"]):
        sae = MatchingPursuit(k=4, bias=bias, analysis=analysis, revive="none")
        params, x = problem(sae)
        with jax.enable_x64(True):
            params, x = as_jax(params, jnp.float64), jnp.asarray(x)

            def decoded(params, sae=sae, x=x):
                return ((x - sae.decode(params, sae.encode(params, x))) ** 2).sum(1).mean()

            value, got = jax.value_and_grad(lambda p, sae=sae, x=x: sae.loss(p, x, ctx)[0])(params)
            expected, wanted = jax.value_and_grad(decoded)(params)
            np.testing.assert_allclose(value, expected, rtol=1e-12)
            for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
                np.testing.assert_allclose(one, two, atol=1e-11)


def test_float32_gradient_is_close_to_float64():
    sae = MatchingPursuit(k=6, revive="none")
    params, x = problem(sae)
    weights = np.ones((len(x), 6)), np.ones_like(x)
    small = gradients(lambda p, x: sae.path(p, x)[1:], as_jax(params, jnp.float32), jnp.float32(x), weights)
    with jax.enable_x64(True):
        seen = jnp.ones(len(params["atoms"]))
        exact = gradients(
            lambda p, x: unrolled(sae, p, x, seen), as_jax(params, jnp.float64), jnp.asarray(x), weights
        )
    for one, two in zip(jax.tree.leaves(small), jax.tree.leaves(exact), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5 * np.abs(two).max())
