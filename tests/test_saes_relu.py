"""ReLU against closed forms, a float64 oracle and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sae_samples import DIM, KEY, WIDTH, as64, context, finite_difference, generic, preactivation, rows

from mpsae.sae import Context
from mpsae.saes.matryoshka import Matryoshka
from mpsae.saes.relu import PRESETS, ReLU


def relu_loss(sae, params, x, strength):
    code = np.maximum(preactivation(sae, params, x), 0)
    error = ((np.asarray(x, float) - code @ params["atoms"] - params["bias"]) ** 2).sum(1).mean()
    return error + strength * (code * np.linalg.norm(params["atoms"], axis=1)).sum(1).mean()


@pytest.mark.parametrize("centre", ["bias", "none"])
def test_relu_loss_and_gradient(centre):
    sae = ReLU(l1=0.2, l1_warmup=0.0, centre=centre)
    params, x = generic(sae), rows()
    (loss, code), grads = jax.value_and_grad(sae.loss, has_aux=True)(params, x, context(sae, params))
    exact = as64(params)
    np.testing.assert_allclose(loss, relu_loss(sae, exact, x, 0.2), rtol=1e-5)
    np.testing.assert_allclose(code.dense(), np.maximum(preactivation(sae, exact, x), 0), atol=1e-5)
    expected = finite_difference(lambda p: relu_loss(sae, p, x, 0.2), exact)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected[name], atol=2e-5)


@pytest.mark.parametrize("l1", [0.0, 0.3, 1.0])
def test_relu_analytic_optimum(l1):
    """x = 1 and one unit atom: loss (1 - f)² + λ f, least at f = 1 - λ/2."""
    sae = ReLU(l1=l1, l1_warmup=0.0)
    params = {
        "atoms": jnp.ones((1, 1)),
        "bias": jnp.zeros(1),
        "encoder": jnp.zeros((1, 1)),
        "encoder_bias": jnp.full(1, 0.1),
    }
    x, ctx = jnp.ones((1, 1)), context(sae, params)
    slope = jax.jit(jax.grad(lambda p: sae.loss(p, x, ctx)[0]))
    for _ in range(60):
        params = params | {"encoder_bias": params["encoder_bias"] - 0.25 * slope(params)["encoder_bias"]}
    np.testing.assert_allclose(sae.encode(params, x).values, [[1 - l1 / 2]], atol=1e-6)
    np.testing.assert_allclose(sae.loss(params, x, ctx)[0], l1 - l1**2 / 4, atol=1e-6)


@pytest.mark.parametrize("sae", [ReLU(l1=0.5), Matryoshka(l1=0.5, prefixes=3)], ids=["relu", "matryoshka"])
def test_loss_is_invariant_to_rescaling_an_atom(sae):
    params, x = generic(sae), rows()
    factor = jnp.asarray([1, 2, 0.5, 1, 3, 1, 0.1, 1.0])
    scaled = params | {
        "atoms": params["atoms"] / factor[:, None],
        "encoder": params["encoder"] * factor,
        "encoder_bias": params["encoder_bias"] * factor,
    }
    ctx = context(sae, params, step=50)
    np.testing.assert_allclose(sae.loss(scaled, x, ctx)[0], sae.loss(params, x, ctx)[0], rtol=1e-5)


def test_l1_ramp_and_controller_multiply_the_penalty():
    params, x = generic(ReLU()), rows()
    plain = ReLU(l1=0.0).loss(params, x, context(ReLU(), params))[0]

    def strength(sae, step, **state):
        loss = sae.loss(params, x, context(sae, params, step=step, steps=100, **state))[0]
        full = ReLU(l1=1.0, l1_warmup=0.0).loss(params, x, context(ReLU(), params))[0]
        return float((loss - plain) / (full - plain))

    ramp = ReLU(l1=0.4, l1_warmup=0.2)
    measured = [strength(ramp, step) for step in (0, 9, 19, 99)]
    np.testing.assert_allclose(measured, [0.4 / 20, 0.2, 0.4, 0.4], rtol=2e-4)
    steered = ReLU(l1=0.4, l1_warmup=0.0, controller="sign", target_l0=1e-3, control_from=0.5)
    control = {"factor": jnp.float32(2), "l0": jnp.float32(0), "trend": jnp.float32(0)}
    np.testing.assert_allclose(strength(steered, 50, control=control), 0.8, rtol=2e-4)
    np.testing.assert_allclose(strength(steered, 51, control=control), 0.8 * 1.0003, rtol=2e-4)
    gated = ReLU(l1=0.4, l1_warmup=0.0, controller="hinge", target_l0=float(WIDTH), control_from=0.0)
    np.testing.assert_allclose(strength(gated, 50), 0.0, atol=2e-4)


def test_input_scale_is_a_running_mean_from_zero_and_trains_in_scaled_space():
    sae = ReLU(norm="init", input_scale="running", l1=0.3, l1_warmup=0.0)
    params = generic(sae)
    norm, state = 0.0, sae.init_state(params)
    for step in range(5):
        x = (step + 1) * rows(seed=step)
        ctx = Context(step=step, steps=100, key=KEY, state=state)
        loss, code = sae.loss(params, x, ctx)
        norm = 0.99 * norm + 0.01 * np.linalg.norm(np.asarray(x, float), axis=1).mean()
        scaled = np.asarray(x, float) * np.sqrt(DIM) / norm
        np.testing.assert_allclose(loss, relu_loss(sae, as64(params), scaled, 0.3), rtol=1e-4)
        state = sae.update(params, x, code, ctx)
        np.testing.assert_allclose(state["norm"], norm, rtol=1e-5)


@pytest.mark.parametrize("centre", ["bias", "none"])
@pytest.mark.parametrize("kind", [ReLU, Matryoshka])
def test_freeze_folds_the_input_scale(kind, centre):
    sae = kind(norm="init", input_scale="running", centre=centre)
    params, x = generic(sae), rows()
    scale = np.sqrt(DIM) / 2.5
    frozen, folded = sae.freeze(params, sae.init_state(params) | {"norm": jnp.float32(2.5)})
    training = sae.encode(params, x * scale)
    np.testing.assert_allclose(frozen.encode(folded, x).values, training.values, atol=2e-5)
    np.testing.assert_allclose(
        frozen.decode(folded, frozen.encode(folded, x)), sae.decode(params, training) / scale, atol=2e-5
    )
    assert frozen.input_scale == "none"
    again, same = frozen.freeze(folded, frozen.init_state(folded))
    assert again == frozen
    assert all((same[name] == folded[name]).all() for name in folded)


@pytest.mark.parametrize("kind", [ReLU, Matryoshka])
def test_zero_rows_give_finite_gradients(kind):
    sae = kind(l1=0.1)
    params = generic(sae)
    grads = jax.grad(lambda p: sae.loss(p, jnp.zeros((3, DIM)), context(sae, p))[0])(params)
    assert all(np.isfinite(grad).all() for grad in grads.values())


@pytest.mark.parametrize("kind", [ReLU, Matryoshka])
def test_a_zero_atom_gives_finite_gradients(kind):
    sae = kind(l1=0.1)
    params = generic(sae)
    params = params | {"atoms": params["atoms"].at[2].set(0.0)}
    grads = jax.grad(lambda p: sae.loss(p, rows(), context(sae, p))[0])(params)
    assert all(np.isfinite(grad).all() for grad in grads.values())


@pytest.mark.parametrize("bad", [{"controller": "sign"}, {"input_scale": "running"}, {"norm": "tangnt"}])
def test_relu_refuses_what_cannot_work(bad):
    with pytest.raises(ValueError, match=r"sae\.(target_l0|norm)"):
        ReLU(**bad).validate(DIM, WIDTH)


@pytest.mark.parametrize(
    "kind, spread",
    [("atoms", DIM**-0.5), ("scaled_atoms", 0.1 * DIM**-0.5), ("gaussian", DIM**-0.5), ("standard", 1.0)],
)
def test_encoder_starts_as_documented(kind, spread):
    params = ReLU(encoder_init=kind, atom_scale=0.1).init(KEY, DIM, 4000)
    atoms, encoder = np.asarray(params["atoms"], float), np.asarray(params["encoder"], float).T
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 0.1, rtol=1e-5)
    np.testing.assert_allclose(
        0.1 * encoder / np.linalg.norm(encoder, axis=1, keepdims=True), atoms, atol=1e-6
    )
    np.testing.assert_allclose(encoder.std(), spread, rtol=0.03)
    assert (np.asarray(params["bias"]) == 0).all()
    assert (np.asarray(params["encoder_bias"]) == 0).all()


def test_the_standard_l1_of_synthsaebench_is_the_published_recipe():
    sae = PRESETS["relu_synthsaebench"]
    assert (sae.controller, sae.l1, sae.l1_warmup, sae.control_from) == ("integral", 2.0, 1 / 3, 1 / 3)
    assert (sae.norm, sae.encoder_init, sae.atom_scale) == ("init", "scaled_atoms", 0.1)
