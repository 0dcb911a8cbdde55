"""Modality along a pursuit over orthonormal atoms, where each step takes the next largest coefficient."""

import numpy as np
import pytest
from scoring import Identity, PairedRows, Pursuit, orthonormal

from mpsae.score import score

RNG = np.random.default_rng(1)
ATOMS = orthonormal(6, 9)
CODES = [RNG.gamma(1.0, size=(60, 6)) * on for on in ([1, 1, 0, 2, 4, 0.3], [1, 0, 1, 2, 1, 4])]
STEPS = ("step_energy", "step_modality", "step_bimodality")
AFTER = (
    "energy_image_after_first", "energy_text_after_first", "energy_bimodal_after_first",
    "sigma_half_after_first", "modality_distance_energy_after_first",
)  # fmt: skip


def scores(sae, metrics, codes=CODES):
    params = {"atoms": ATOMS.astype(np.float32)}
    return score(sae, params, PairedRows(*(z @ ATOMS for z in codes)), metrics=metrics)


def taken(codes, step):
    """The codes with only their step-th largest entry."""
    order = np.argsort(-codes, axis=1)[:, step]
    return np.where(np.arange(codes.shape[1]) == order[:, None], codes, 0.0)


def test_rows_by_step_against_float64():
    found = scores(Pursuit(k=6), STEPS)
    total = sum(np.square(z).sum() for z in CODES)
    image, text = (np.square(z).sum(0) for z in CODES)
    share = image / (image + text)
    for step in range(4):
        energy = sum(np.square(taken(z, step)).sum(0) for z in CODES)
        expected = {
            "step_energy": energy.sum() / total,
            "step_modality": energy @ share / energy.sum(),
            "step_bimodality": energy @ (1 - 2 * np.abs(share - 0.5)) / energy.sum(),
        }
        for name, value in expected.items():
            assert found.value(name, {"step": step + 1}) == pytest.approx(value, abs=1e-5), name
    assert sum(value.value for name, value in found.rows if name == "step_energy") == pytest.approx(
        1, abs=1e-5
    )


def test_the_first_step_dropped_is_the_score_of_the_rest():
    rest = [z - taken(z, 0) for z in CODES]
    later = scores(Pursuit(k=6), AFTER)
    plain = scores(Pursuit(k=6), [name.removesuffix("_after_first") for name in AFTER], rest)
    for name in AFTER:
        assert later.value(name) == pytest.approx(plain.value(name.removesuffix("_after_first")), abs=1e-5), (
            name
        )
    whole = scores(Pursuit(k=6), ("sigma_half",))
    assert whole.value("sigma_half") != pytest.approx(later.value("sigma_half_after_first"), abs=1e-3)


def test_a_first_atom_that_is_a_modality_mean_hides_what_the_rest_shares():
    common = np.hstack([np.zeros((60, 2)), RNG.gamma(1.0, size=(60, 4))])
    codes = [common + np.eye(6)[side] * 20 for side in (0, 1)]
    found = scores(
        Pursuit(k=5), ("sigma_half", "sigma_half_after_first", "energy_bimodal_after_first"), codes
    )
    assert found.value("sigma_half") > 0.4
    assert found.value("sigma_half_after_first") == pytest.approx(0, abs=1e-4)
    assert found.value("energy_bimodal_after_first") == pytest.approx(1)


def test_one_step_leaves_nothing_and_others_have_no_steps():
    for name, value in scores(Pursuit(k=1), AFTER).rows:
        assert value.value is None and value.note == "no step after the first", name
    params, rows = {"atoms": np.eye(9, dtype=np.float32)}, PairedRows(*(z @ ATOMS for z in CODES))
    for name, value in score(Identity(), params, rows, metrics=STEPS + AFTER).rows:
        assert value.value is None and "not a pursuit" in value.note, name
