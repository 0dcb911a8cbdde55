"""JumpReLU: codes, the three sparsity losses and what they pull at, the form that is evaluated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sae_samples import WIDTH, as64, context, generic, preactivation, rows

from mpsae.optim import Optim
from mpsae.saes.jumprelu import PRESETS, JumpReLU
from mpsae.saes.threshold import Threshold
from mpsae.sources.digits import Digits
from mpsae.train import fit, member

LEVELS = jnp.asarray(np.linspace(0.05, 1.5, WIDTH), jnp.float32)


def made(**fields):
    sae = JumpReLU(target_l0=2.0, bandwidth=0.4, **fields)
    return sae, generic(sae) | {"threshold": LEVELS}


def code_of(sae, params, x):
    pre = preactivation(sae, as64(params), x)
    return pre, np.where(pre > np.asarray(LEVELS), pre, 0)


def test_code():
    sae, params = made()
    pre, code = code_of(sae, params, rows())
    np.testing.assert_allclose(sae.encode(params, rows()).dense(), code, atol=1e-5)
    assert np.count_nonzero((pre > 0) & (code == 0))  # some are positive and cut


@pytest.mark.parametrize("form", ["count", "target", "tanh"])
def test_sparsity_losses(form):
    sae, params = made(sparsity_loss=form, sparsity=0.3, warmup=0.5)
    x, exact = rows(), as64(params)
    _, code = code_of(sae, params, x)
    fired = (code > 0).sum(1).mean()
    ramp = (9 + 1) / 50  # step 9 of 100, ramp over half of training
    size = np.linalg.norm(exact["atoms"], axis=1)
    expected = {
        "count": 0.3 * ramp * fired,
        "target": 0.3 * (fired / 2 - 1) ** 2,
        "tanh": 0.3 * ramp * np.tanh(4 * code * size).sum(1).mean(),
    }[form]
    found = sae.penalty(params, x, sae.encode(params, x), context(sae, params, step=9))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", ["count", "target"])
def test_what_pulls_at_the_thresholds(form):
    sae, params = made(sparsity_loss=form, sparsity=0.3, warmup=0.0)
    x = rows()
    pre, code = code_of(sae, params, x)
    near = (np.abs(pre - np.asarray(LEVELS)) < 0.2) / 0.4
    outer = 0.3 if form == "count" else 0.3 * ((code > 0).sum(1).mean() / 2 - 1)  # 2·(L0/2 - 1)/2
    found = jax.grad(lambda p: sae.penalty(p, x, sae.encode(p, x), context(sae, params, step=50)))(params)
    np.testing.assert_allclose(found["threshold"], -outer * near.mean(0), atol=1e-6)
    for name in ("encoder", "encoder_bias", "atoms"):  # no pseudo-gradient reaches the pre-activations
        assert not np.any(found[name])


def test_thresholds_stay_positive():
    sae, params = made()
    put_back = sae.project(params | {"threshold": LEVELS - 1})
    assert put_back["threshold"].min() > 0
    np.testing.assert_array_equal(put_back["threshold"][-1], LEVELS[-1] - 1)


def test_freeze_gives_the_same_codes():
    sae, params = made()
    frozen, kept = sae.freeze(params, sae.init_state(params))
    assert isinstance(frozen, Threshold)
    np.testing.assert_allclose(frozen.encode(kept, rows()).dense(), sae.encode(params, rows()).dense())


def test_training_meets_the_target_l0():
    sae = JumpReLU(target_l0=6.0, sparsity=10.0, bandwidth=0.1, start=0.1)
    source = Digits().build(0)
    one = member(sae, Optim(steps=600, batch=200, lr=1e-3), data=0, init=0, dropout=0)
    trained = fit([one], [source], width=64)[0]
    frozen, params = sae.freeze(trained.params, trained.state)
    assert frozen.encode(params, source.held).l0().mean() == pytest.approx(6.0, rel=0.15)


def test_the_jumprelu_of_synthsaebench_is_the_published_recipe():
    sae = PRESETS["jumprelu_synthsaebench"]
    assert (sae.sparsity_loss, sae.bandwidth, sae.start, sae.sparsity) == ("count", 1.0, 1.0, 1.0)
    assert (sae.controller, sae.warmup, sae.input_scale) == ("integral", 0.0, "mean")
    params = sae.init(jax.random.key(0), 12, 30)
    np.testing.assert_allclose(np.linalg.norm(params["atoms"], axis=1), 0.5, rtol=1e-6)
    np.testing.assert_array_equal(params["encoder"], params["atoms"].T)
