"""A trained dictionary under other encoders, where the right code is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae import reencoding
from mpsae.projection import threshold
from mpsae.reencoding import ENCODERS, METRICS, ROWS, TOL, reencoded, reencodings
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.topk import TopK
from mpsae.score import Scores
from mpsae.sources.tree20 import Tree20
from mpsae.train import training_rows

pytestmark = pytest.mark.xdist_group("reencoding")  # the scores are made once
RNG = np.random.default_rng(0)
SIZES = RNG.uniform(0.2, 4.0, size=20)
SOURCE = Tree20(correlation=0.3, held_out=1000).build(0)
TRUE = np.asarray(SOURCE.truth.atoms)
X = RNG.normal(size=(60, 20)).astype(np.float32)  # no two products tie


def trained(sizes=SIZES, bias=0.0):
    """A TopK that learned the true directions at lengths of its own, with an encoder that is worth nothing."""
    params = TopK(k=2).init(jax.random.key(0), 20, 20)
    atoms = jnp.asarray(TRUE * np.broadcast_to(sizes, 20)[:, None], jnp.float32)
    return params | {"atoms": atoms, "bias": jnp.full(20, bias, jnp.float32)}


@pytest.fixture(scope="module")
def rows():
    return reencodings(TopK(k=2), trained(), SOURCE, tuple(ENCODERS), l0=2.0, seed=0)


def test_every_encoder_has_its_rows_and_no_encoder_has_none(rows):
    there = {(metric, value.at["encoder"]) for metric, value in rows}
    assert there == {(metric, encoder) for metric in METRICS for encoder in ENCODERS}
    levels = [value.at for metric, value in rows if metric == "absorb_fire" and value.at["encoder"] == "mp"]
    assert levels == [{"encoder": "mp"}, {"level": 1, "encoder": "mp"}]
    assert reencodings(TopK(k=2), trained(), SOURCE, (), l0=2.0, seed=0) == []


@pytest.mark.parametrize("name", ["mp", "omp"])
def test_pursuits_read_the_true_codes_off_atoms_of_any_length(rows, name):
    """Two steps hold every support here; what is left on rows of one feature is below `TOL`."""
    scores = {(metric, *value.at.values()): value.value for metric, value in rows}
    true_l0 = (np.asarray(SOURCE.held_out(0)[1]) > 0).sum(1).mean()
    assert scores["l0", name] == pytest.approx(true_l0, abs=1e-6)
    for metric in ("ev", "f1_hungarian", "f1_argmax", "auroc"):
        assert scores[metric, name] == pytest.approx(1.0, abs=1e-4)
    assert scores["absorb_fire", name] == 0.0
    assert scores["f1_hungarian", "projection"] < 0.95 and scores["l0", "projection"] == 2.0


def test_a_threshold_is_asked_for_the_exact_l0_and_the_others_for_its_whole_number():
    def at(name, l0):
        return reencoded(TopK(k=2), trained(), name, l0=l0, rows=X)

    assert [at(name, 1.36)[0].k for name in ("projection", "mp", "omp")] == [1, 1, 1]
    assert [at("omp", l0)[0].k for l0 in (0.2, 2.6)] == [1, 3]
    encoder, params = at("threshold", 1.35)
    assert int(encoder.encode(params, jnp.asarray(X)).l0().sum()) == 1.35 * len(X)


@pytest.mark.parametrize("name", ENCODERS)
def test_codes_are_those_of_the_unit_atoms_and_decode_the_same_rows(name):
    encoder, params = reencoded(TopK(k=2), trained(), name, l0=2.0, rows=X)
    _, of_unit = reencoded(TopK(k=2), trained(sizes=1.0), name, l0=2.0, rows=X)
    np.testing.assert_allclose(params["atoms"], TRUE, atol=1e-6)
    code = encoder.encode(params, jnp.asarray(X))
    np.testing.assert_allclose(code.dense(), encoder.encode(of_unit, jnp.asarray(X)).dense(), atol=1e-4)
    rebuilt = np.asarray(code.dense(), float) / SIZES @ (TRUE * SIZES[:, None])  # on the atoms as trained
    np.testing.assert_allclose(encoder.decode(params, code), rebuilt, atol=1e-4)


def test_the_constant_is_what_an_empty_code_decodes_to():
    shifted = trained(bias=0.7)
    for sae, expected in ((TopK(k=2), 0.7), (MatchingPursuit(k=2, bias="sub_only"), 0.0)):
        encoder, params = reencoded(sae, shifted, "omp", l0=2.0, rows=X)
        np.testing.assert_allclose(params["bias"], expected, atol=1e-7)
        length = np.sqrt(np.square(X.astype(float) - expected).sum(1).mean())
        assert float(encoder.tol) == pytest.approx(TOL * length, rel=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_atom_of_zeros_is_never_active(name):
    dead = trained(sizes=np.where(np.arange(20) == 3, 0.0, 1.0))
    encoder, params = reencoded(TopK(k=2), dead, name, l0=2.0, rows=X)
    code = np.asarray(encoder.encode(params, jnp.asarray(X)).dense())
    assert np.isfinite(code).all() and code.any() and not code[:, 3].any()


def test_the_threshold_is_calibrated_on_the_training_rows_of_the_data_seed(monkeypatch):
    seen = []

    def score(encoder, params, source, metrics):
        seen.append(params)
        return Scores([], {}, 1)

    monkeypatch.setattr(reencoding, "score", score)
    reencodings(TopK(k=2), trained(), SOURCE, ("threshold",), l0=1.36, seed=5)
    expected = threshold(seen[0], training_rows(SOURCE, 5, ROWS), 1.36)
    assert float(seen[0]["threshold"]) == pytest.approx(expected, abs=1e-6) and expected > 0.3
