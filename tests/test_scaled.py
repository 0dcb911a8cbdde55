"""Inputs of a standard length: the average behind the scale, and the params it is folded into."""

import jax.numpy as jnp
import numpy as np
import pytest
from sae_samples import DIM, KEY, WIDTH, generic, rows

from mpsae.sae import Context
from mpsae.saes.jumprelu import JumpReLU
from mpsae.saes.matryoshka import Matryoshka
from mpsae.saes.relu import ReLU


@pytest.mark.parametrize("kind", [ReLU, Matryoshka, JumpReLU])
def test_mean_is_that_of_all_batches_and_what_is_trained_on_has_length_root_dim(kind):
    sae = kind(norm="init", input_scale="mean")
    params, seen = generic(sae), []
    state = sae.init_state(params)
    for step in range(4):
        x = (step + 1) * rows(seed=step)
        ctx = Context(step=step, steps=100, key=KEY, state=state)
        seen.append(np.linalg.norm(np.asarray(x, float), axis=1).mean())
        scaled = np.asarray(x, float) * np.sqrt(DIM) / np.mean(seen)
        np.testing.assert_allclose(sae.scaled(x, ctx), scaled, rtol=1e-5)
        loss, code = sae.loss(params, x, ctx)
        plain = sae.replace(input_scale="none").loss(params, jnp.float32(scaled), ctx)[0]
        np.testing.assert_allclose(loss, plain, rtol=1e-4)
        state = sae.update(params, x, code, ctx)
        np.testing.assert_allclose(state["norm"], np.mean(seen), rtol=1e-5)


@pytest.mark.parametrize("centre", ["bias", "none"])
def test_jumprelu_freezes_with_the_scale_in_its_params_and_the_same_thresholds(centre):
    sae = JumpReLU(norm="init", input_scale="mean", centre=centre)
    params = generic(sae) | {"threshold": jnp.linspace(0.1, 1.0, WIDTH)}
    frozen, folded = sae.freeze(params, sae.init_state(params) | {"norm": jnp.float32(2.5)})
    scale = np.sqrt(DIM) / 2.5
    training = sae.encode(params, rows() * scale)
    np.testing.assert_allclose(frozen.encode(folded, rows()).values, training.values, atol=2e-5)
    rebuilt = frozen.decode(folded, training)
    np.testing.assert_allclose(rebuilt, sae.decode(params, training) / scale, atol=2e-5)
    np.testing.assert_array_equal(folded["threshold"], params["threshold"])


@pytest.mark.parametrize("rule", ["running", "mean"])
@pytest.mark.parametrize("kind", [ReLU, JumpReLU])
def test_atoms_that_carry_the_scale_cannot_be_held_to_a_norm(kind, rule):
    kind(input_scale=rule, norm="init").validate(DIM, WIDTH)
    with pytest.raises(ValueError, match=rf"sae\.norm = 'tangent': with input_scale '{rule}'"):
        kind(input_scale=rule).validate(DIM, WIDTH)
