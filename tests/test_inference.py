"""Curves over the sparsity at inference, against one brute-force encoding per k."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scoring import Rows

from mpsae.inference import curves, rebuilt
from mpsae.sae import presets
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.threshold import Threshold
from mpsae.saes.topk import TopK

DIM, WIDTH, KS = 6, 10, (1, 3, 10)
CASES = {
    "topk": TopK(k=3),
    "mp": MatchingPursuit(k=3),
    "mp stop": MatchingPursuit(k=3, tol=0.5, on_repeat="stop", analysis="untied_bias"),
    "mp sliced": presets()["mp_eleuther"].replace(k=2, slices=2),
    "relu": ReLU(),
    "threshold": Threshold(),
}


def made(sae):
    params = sae.project(sae.init(jax.random.key(1), DIM, WIDTH))
    params |= {"threshold": jnp.float32(0.8)} if "threshold" in params else {}
    x = jax.random.normal(jax.random.key(2), (70, DIM))
    return params, x


def largest(codes, k):
    """Codes of which only the k largest of each row are kept."""
    kept = np.zeros_like(codes)
    for row, values in enumerate(codes):
        most = np.argsort(-np.abs(values), kind="stable")[:k]
        kept[row, most] = values[most]
    return kept


@jax.jit
def encode(sae, params, x):
    return sae.encode(params, x)


@functools.cache
def from_scratch(name, k):
    """({kind: x̂ [batch, dim]}) at k: the variant asked for k, and its k largest codes."""
    sae = CASES[name]
    params, x = made(sae)
    code = encode(sae, params, x)
    bias = sae.decode(params, code.replace(values=jnp.zeros_like(code.values)))[0]
    trained = np.asarray(code.dense(), np.float64)
    if isinstance(getattr(sae, "k", None), int):
        asked = np.asarray(encode(sae.replace(k=k), params, x).dense())
    elif isinstance(sae, Threshold):  # the k largest pre-activations, whatever the threshold
        asked = largest(np.maximum(np.asarray(sae.preactivation(params, x)), 0.0), k)
    else:
        asked = largest(trained, k)
    atoms = np.asarray(params["atoms"], np.float64)
    codes = {"steps": asked, "largest": largest(trained, k)}
    return {kind: values @ atoms + np.asarray(bias, np.float64) for kind, values in codes.items()}


@pytest.mark.parametrize("name", CASES)
def test_curves_equal_brute_force_at_every_k(name):
    sae = CASES[name]
    params, x = made(sae)
    scores = curves(sae, params, Rows(x, block=35), KS)
    assert scores.n == 70
    rows = np.asarray(x, np.float64)
    for k in KS:
        for kind, guess in from_scratch(name, k).items():
            error = np.square(rows - guess)
            nmse = (error.sum(1) / np.square(rows).sum(1)).mean()
            ev = 1 - error.sum() / np.square(rows - rows.mean(0)).sum()
            assert scores.value(f"curve_{kind}_nmse", {"k": k}) == pytest.approx(nmse, rel=1e-4, abs=1e-6)
            assert scores.value(f"curve_{kind}_ev", {"k": k}) == pytest.approx(ev, rel=1e-4, abs=1e-5)


def test_the_default_grid_holds_the_trained_k_and_stays_within_the_width():
    params, x = made(TopK(k=3))
    points = [value.at["k"] for name, value in curves(TopK(k=3), params, Rows(x), trained=3).rows
              if name == "curve_steps_nmse"]  # fmt: skip
    assert 3 in points and points == sorted(points) and max(points) <= WIDTH


def test_points_are_sorted_and_taken_once():
    params, x = made(TopK(k=3))
    rows = curves(TopK(k=3), params, Rows(x), (5, 1, 5)).rows
    assert [value.at["k"] for name, value in rows if name == "curve_largest_ev"] == [1, 5]


@pytest.mark.parametrize("name", CASES)
def test_rebuilt_is_the_decoding_at_each_k_in_the_order_asked(name):
    sae = CASES[name]
    params, x = made(sae)
    for k, shown in zip((5, 1), rebuilt(sae, params, x, (5, 1)), strict=True):
        np.testing.assert_allclose(shown, from_scratch(name, k)["steps"], atol=1e-4)


def test_one_more_pursuit_step_never_adds_error():
    sae = MatchingPursuit(k=3)
    params, x = made(sae)
    scores = curves(sae, params, Rows(x), KS, trained=3)
    errors = [scores.value("curve_steps_nmse", {"k": k}) for k in KS]
    assert errors == sorted(errors, reverse=True)
    assert scores.value("curve_steps_overshoot") <= 1e-6
