"""Gated: which latents fire, how strongly, and what its gate is trained by."""

import jax
import numpy as np
import pytest
from sae_samples import as64, context, generic, preactivation, rows

from mpsae.saes.gated import Gated


def halves(sae, params, x):
    """(gate π_g, magnitude) in float64."""
    exact = as64(params)
    gate = preactivation(sae, exact, x)
    linear = gate - exact["encoder_bias"]
    return gate, np.maximum(np.exp(exact["gain"]) * linear + exact["magnitude_bias"], 0)


def test_code():
    sae = Gated()
    params, x = generic(sae), rows()
    gate, magnitude = halves(sae, params, x)
    np.testing.assert_allclose(sae.encode(params, x).dense(), magnitude * (gate > 0), atol=1e-5)
    assert np.any((gate > 0) & (magnitude == 0)) and np.any((gate <= 0) & (magnitude > 0))


def test_loss():
    sae = Gated(l1=0.2, l1_warmup=0.5)
    params, x = generic(sae), rows()
    exact = as64(params)
    gate, magnitude = halves(sae, params, x)
    positive = np.maximum(gate, 0)
    error = np.asarray(x) - (magnitude * (gate > 0)) @ exact["atoms"] - exact["bias"]
    guess = np.asarray(x) - positive @ exact["atoms"] - exact["bias"]
    spent = positive @ np.linalg.norm(exact["atoms"], axis=1)
    ramp = 10 / 50
    expected = (error**2).sum(1).mean() + 0.2 * ramp * spent.mean() + (guess**2).sum(1).mean()
    found = sae.loss(params, x, context(sae, params, step=9))[0]
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("aux_decoder", ["frozen", "trained"])
def test_the_auxiliary_term_reaches_the_decoder_only_where_asked(aux_decoder):
    sae = Gated(l1=0.0, aux_decoder=aux_decoder)
    params, x = generic(sae), rows()
    grads = jax.grad(lambda p: sae.penalty(p, x, sae.encode(p, x), context(sae, params)))(params)
    reached = aux_decoder == "trained"
    assert np.any(grads["atoms"]) == reached
    assert np.any(grads["encoder_bias"])  # the gate learns either way
    assert not np.any(grads["gain"])


def test_an_l0_controller_needs_a_target():
    with pytest.raises(ValueError, match="controller 'integral' needs a target above 0"):
        Gated(controller="integral").validate(4, 8)
