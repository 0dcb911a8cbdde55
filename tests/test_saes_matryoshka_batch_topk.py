"""Matryoshka BatchTopK against a float64 loop over prefixes, and against BatchTopK."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sae_samples import DIM, ROWS, WIDTH, as64, context, generic, preactivation, rows

from mpsae import sparse
from mpsae.config import Run
from mpsae.optim import Optim
from mpsae.saes.batch_topk import PRESETS as BATCH_TOPK
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.matryoshka_batch_topk import PRESETS, MatryoshkaBatchTopK
from mpsae.saes.threshold import Threshold
from mpsae.sources.tree20 import Tree20
from mpsae.sparse import SMALL

LEVELS = (0.25, 0.5, 1.0)
CUTS = (2, 4, 8)
SILENT = jnp.asarray([0, 10, 9, 0, 11, 300, 0, 10], jnp.int32)  # of the levels, 1, 0 and 3 are dead


def largest(values, count):
    """The `count` largest of all entries, the others 0."""
    least = np.sort(values.reshape(-1))[-count]
    return np.where(values >= least, values, 0)


def share_left(error, pre, atoms, dead, count):
    """AuxK: what the `count` largest dead entries of each row leave of the error."""
    asleep = np.where(dead, np.maximum(pre, 0), 0)
    guess = np.array([largest(row, count) for row in asleep]) @ atoms
    return ((error - guess) ** 2).sum() / ((error - error.mean(0)) ** 2).sum()


@pytest.mark.parametrize("auxk_of", ["level", "whole"])
def test_loss_is_the_sum_over_prefixes_and_the_auxk_of_its_level(auxk_of):
    sae = MatryoshkaBatchTopK(k=2.0, levels=LEVELS, auxk_of=auxk_of, auxk=0.25, auxk_k=2, dead_window=10.0)
    params, x = generic(sae), rows()
    exact, dead = as64(params), np.asarray(SILENT) >= 10
    pre = preactivation(sae, exact, x)
    code = largest(np.maximum(pre, 0), 2 * ROWS)
    expected, start = 0.0, 0
    for cut in CUTS:
        error = np.asarray(x, float) - code[:, :cut] @ exact["atoms"][:cut] - exact["bias"]
        expected += (error**2).sum(1).mean()
        new = dead & (np.arange(WIDTH) >= start) & (np.arange(WIDTH) < cut)
        if auxk_of == "level" and new.any():
            expected += 0.25 * share_left(error, pre, exact["atoms"], new, 2)
        start = cut
    if auxk_of == "whole":
        expected += 0.25 * share_left(error, pre, exact["atoms"], dead, 2)
    loss, got = sae.loss(params, x, context(sae, params, silent=SILENT))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(got.dense(), code, atol=1e-5)


def test_one_level_is_batch_topk():
    fields = {"k": 1.5, "auxk": 0.3, "dead_window": 10.0}
    nested, plain = MatryoshkaBatchTopK(levels=(1.0,), **fields), BatchTopK(**fields)
    params, x = generic(plain), rows()
    one, two = (
        jax.value_and_grad(lambda p, sae=sae: sae.loss(p, x, context(sae, p, silent=SILENT))[0])(params)
        for sae in (nested, plain)
    )
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("auxk_of", ["level", "whole"])
def test_a_wide_dictionary_has_the_loss_and_the_gradient_of_the_dense_form(auxk_of, monkeypatch):
    width, batch = SMALL + 44, 12
    sae = MatryoshkaBatchTopK(k=25.0, auxk_of=auxk_of, auxk=0.3, auxk_k=4, dead_window=3.0)
    rng = np.random.default_rng(7)
    silent = jnp.asarray(rng.integers(0, 5, width), jnp.int32)
    with jax.enable_x64(True):
        shapes = {"atoms": (width, DIM), "bias": (DIM,), "encoder": (DIM, width), "encoder_bias": (width,)}
        params = {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}
        x = jnp.asarray(rng.normal(size=(batch, DIM)))

        def run():
            ctx = context(sae, params, silent=silent)
            return jax.jit(jax.value_and_grad(lambda p: sae.loss(p, x, ctx), has_aux=True))(params)

        (loss, code), got = run()
        monkeypatch.setattr(sparse, "SMALL", width)
        (expected, wanted_code), wanted = run()
        np.testing.assert_allclose(loss, expected, rtol=1e-12)
        np.testing.assert_array_equal(code.dense() != 0, wanted_code.dense() != 0)
        assert code.fired()[np.asarray(sae.cuts(width)[:-1])].any()  # the first latent of a level is used
        for name, grad in got.items():
            np.testing.assert_allclose(grad, wanted[name], atol=1e-10)


def test_the_preset_has_the_published_widths_and_auxk():
    sae = PRESETS["matryoshka_batch_topk_synthsaebench"]
    assert sae.cuts(4096) == (128, 512, 2048, 4096) and sae.auxk_of == "level"
    assert sae.k == BATCH_TOPK["batch_topk_synthsaebench"].k == 25.0
    assert MatryoshkaBatchTopK(levels=(0.01, 1.0)).cuts(20) == (1, 20)


def test_it_freezes_to_the_threshold_of_batch_topk():
    sae = MatryoshkaBatchTopK(k=1.5, centre="none")
    params = generic(sae)
    frozen, kept = sae.freeze(params, sae.init_state(params) | {"threshold": jnp.float32(0.7)})
    assert frozen == Threshold(centre="none") and float(kept["threshold"]) == pytest.approx(0.7)
    assert MatryoshkaBatchTopK.couples_batch and MatryoshkaBatchTopK.orders_atoms


def test_levels_survive_a_config_and_mean_the_same_as_whole_numbers():
    def run(levels):
        sae = MatryoshkaBatchTopK(levels=levels)
        return Run(source=Tree20(), sae=sae, width=20, optim=Optim())

    back = Run.from_json(run((0.25, 1)).to_json())
    assert back.sae == MatryoshkaBatchTopK(levels=(0.25, 1.0))
    assert back.id("f") == run((0.25, 1)).id("f") == run((0.25, 1.0)).id("f") != run((0.5, 1.0)).id("f")
    assert json.loads(run((0.25, 1)).to_json())["sae"]["levels"] == [0.25, 1.0]


@pytest.mark.parametrize(
    "levels, says",
    [
        ((), "must end with 1"),
        ((0.5,), "must end with 1"),
        ((0.0, 1.0), r"levels has 0\.0: must be shares"),
        ((0.5, 2.0), r"levels has 2\.0: must be shares"),
        (("half", 1.0), "levels has 'half': must be shares"),
        ((0.5, 0.25, 1.0), "at width = 8 the prefixes have 4, 2, 8 atoms, must grow"),
        ((0.25, 0.26, 1.0), "at width = 8 the prefixes have 2, 2, 8 atoms, must grow"),
    ],
)
def test_levels_that_cannot_be_are_refused(levels, says):
    with pytest.raises(ValueError, match=says):
        MatryoshkaBatchTopK(k=2.0, levels=levels).validate(DIM, WIDTH)
