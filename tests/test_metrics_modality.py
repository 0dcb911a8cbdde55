"""Modality scores against float64, closed forms of planted codes, and what has no score."""

import numpy as np
import pytest
from scoring import Identity, Mixed, PairedRows, family, mixed, orthonormal

from mpsae.metrics.base import TrueScores
from mpsae.metrics.modality import scored
from mpsae.score import score

WORLD = family(orthonormal(5, 8))
RNG = np.random.default_rng(0)
PAIRS = 150
IMAGE = RNG.gamma(2.0, size=(PAIRS, 5)) * (RNG.random((PAIRS, 5)) < [0.5, 0.5, 0.9, 0.4, 0.0])
TEXT = RNG.gamma(2.0, size=(PAIRS, 5)) * (RNG.random((PAIRS, 5)) < [0.5, 0.2, 0.0, 0.1, 0.7])
SUMMARIES = (
    "energy_image", "energy_text", "energy_bimodal", "energy_unclassified", "atoms_image", "atoms_text",
    "atoms_bimodal", "atoms_unclassified", "sigma_half", "modality_distance_energy", "modality_distance_atoms",
)  # fmt: skip
ARRAYS = ("modality_squared", "modality_linear", "modality_hist", "modality_hist_energy")


def scores(image, text, metrics=SUMMARIES + ARRAYS, atoms=None):
    atoms = np.eye(np.shape(image)[1]) if atoms is None else atoms
    params = {"atoms": np.asarray(atoms, np.float32)}
    return score(Identity(), params, PairedRows(image, text), metrics=metrics)


def shares(power):
    image, text = np.mean(IMAGE**power, 0), np.mean(TEXT**power, 0)
    return image / (image + text)


def test_scores_and_summaries_against_float64():
    found = scores(IMAGE, TEXT)
    np.testing.assert_allclose(found.matrices["modality_squared"].array, shares(2), atol=1e-6)
    np.testing.assert_allclose(found.matrices["modality_linear"].array, shares(1), atol=1e-6)
    weight = np.square(IMAGE).sum(0) + np.square(TEXT).sum(0)
    weight /= weight.sum()
    away = np.abs(shares(2) - 0.5)
    one, other = shares(2) > 0.95, shares(2) < 0.05
    assert one.any() and other.any() and not (one | other).all()
    expected = {
        "energy_image": weight[one].sum(), "energy_text": weight[other].sum(),
        "energy_bimodal": weight[~one & ~other].sum(), "energy_unclassified": 0.0,
        "atoms_image": one.mean(), "atoms_text": other.mean(), "atoms_bimodal": (~one & ~other).mean(),
        "atoms_unclassified": 0.0, "sigma_half": np.sqrt(weight @ away**2),
        "modality_distance_energy": weight @ away, "modality_distance_atoms": away.mean(),
    }  # fmt: skip
    for name, value in expected.items():
        assert found.value(name) == pytest.approx(value, abs=1e-6), name
    for name, weights in (("modality_hist", None), ("modality_hist_energy", weight)):
        array = found.matrices[name].array
        counts = np.histogram(shares(2), 50, (0, 1), weights=weights)[0]
        np.testing.assert_allclose(array, counts / counts.sum(), atol=1e-6)
        assert array.sum() == pytest.approx(1)


def test_the_truth_recovers_every_score():
    params, true = mixed(WORLD), TrueScores(linear=shares(1), squared=shares(2))
    x = [z @ np.asarray(WORLD.atoms) for z in (IMAGE, TEXT)]
    rows = PairedRows(*x, (IMAGE, TEXT), WORLD, scores_true=true)
    found = dict(score(Mixed(), params, rows, metrics=("modality_recovery", "modality_recovery_linear")).rows)
    for value in found.values():
        assert value.value == pytest.approx(0, abs=1e-6) and value.count == 5
    halved = mixed(WORLD, atoms=np.asarray(WORLD.atoms)[:3], mix=np.eye(5)[:, :3])
    value = dict(score(Mixed(), halved, rows, metrics=("modality_recovery",)).rows)["modality_recovery"]
    assert value.count == 3


def test_recovery_is_null_without_true_scores():
    rows = PairedRows(IMAGE, TEXT)
    value = dict(score(Identity(), {"atoms": np.eye(5)}, rows, metrics=("modality_recovery",)).rows)
    assert value["modality_recovery"].value is None and value["modality_recovery"].note == "no ground truth"


def test_swapping_the_modalities_turns_scores_around():
    one, other = scores(IMAGE, TEXT), scores(TEXT, IMAGE)
    for name in ("modality_squared", "modality_linear"):
        np.testing.assert_allclose(one.matrices[name].array, 1 - other.matrices[name].array, atol=1e-6)
    assert one.value("energy_image") == pytest.approx(other.value("energy_text"), abs=1e-6)
    assert one.value("sigma_half") == pytest.approx(other.value("sigma_half"), abs=1e-6)


def test_latents_of_one_modality_are_at_half_and_common_ones_at_zero():
    nothing = np.zeros((40, 3))
    unimodal = scores(np.hstack([np.ones((40, 3)), nothing]), np.hstack([nothing, np.ones((40, 3))]))
    assert (
        unimodal.value("sigma_half") == pytest.approx(0.5)
        and unimodal.value("modality_distance_atoms") == 0.5
    )
    assert unimodal.value("energy_image") == unimodal.value("atoms_text") == 0.5
    common = scores(np.ones((40, 3)), np.ones((40, 3)))
    assert common.value("sigma_half") == 0 and common.value("atoms_bimodal") == 1


def test_rare_latents_are_counted_and_belong_to_no_class():
    image = np.zeros((100, 3))
    image[:19, 0], image[:20, 1] = 1.0, 1.0
    found = scores(image, np.zeros((100, 3)))
    assert found.value("atoms_unclassified") == found.value("atoms_image") == 0.5
    assert found.value("energy_unclassified") == pytest.approx(19 / 39)
    counts = {name: value.count for name, value in found.rows}
    assert counts["atoms_image"] == 2 and counts["energy_image"] == 1
    np.testing.assert_array_equal(found.matrices["modality_squared"].array, [1, 1, np.nan])


def test_a_zero_atom_is_dead_and_changes_nothing():
    before = scores(IMAGE, TEXT)
    padded = [np.hstack([z, np.ones((PAIRS, 1))]) for z in (IMAGE, TEXT)]
    after = scores(*padded, atoms=np.diag([1.0] * 5 + [0.0]))
    for name in SUMMARIES:
        assert after.value(name) == pytest.approx(before.value(name), abs=1e-7), name
    assert np.isnan(after.matrices["modality_squared"].array[-1])


def test_energy_does_not_depend_on_the_scale_of_atoms():
    scale = np.array([0.1, 1, 2, 5, 10])
    before, after = scores(IMAGE, TEXT), scores(IMAGE / scale, TEXT / scale, atoms=np.diag(scale))
    for name in SUMMARIES:
        assert after.value(name) == pytest.approx(before.value(name), abs=1e-6), name


def test_signed_codes_have_a_squared_score_only():
    found = scores(IMAGE * [1, -1, 1, 1, 1], TEXT)
    np.testing.assert_allclose(found.matrices["modality_squared"].array, shares(2), atol=1e-6)
    linear = found.matrices["modality_linear"].array
    assert np.isnan(linear[1]) and np.isfinite(np.delete(linear, 1)).all()


def test_silence_is_null():
    found = dict(scores(np.zeros((4, 3)), np.zeros((4, 3))).rows)
    for name in (*SUMMARIES, "modality_hist", "modality_hist_energy"):
        assert found[name].value is None and found[name].note, name


def test_the_edges_of_a_class_are_bimodal():
    image, text = np.array([95.0, 5.0, 96.0, 4.0]), np.array([5.0, 95.0, 4.0, 96.0])
    parts = scored(image, text, np.full(4, 20), np.eye(4)).part
    assert list(parts) == ["bimodal", "bimodal", "image", "text"]
