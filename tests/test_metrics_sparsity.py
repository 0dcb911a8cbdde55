"""Planted codes: one-hot, one in a hundred, one dead latent."""

import numpy as np
import pytest
from scoring import Identity, Rows

from mpsae.score import score

NAMES = (
    "l0", "l0_fraction", "l0_max", "l0_std", "dead", "dead_frac", "dead_1e-5", "dead_1e-6", "density",
    "density_log10", "density_hist", "dense_frac", "common_frac", "hoyer", "energy", "energy_top1",
)  # fmt: skip


def scores(z, atoms=None, metrics=NAMES):
    z = np.asarray(z, np.float64)
    params = {"atoms": np.eye(z.shape[1], dtype=np.float32) if atoms is None else atoms}
    return score(Identity(), params, Rows(z), metrics=metrics)


def test_one_hot_codes():
    found = scores(np.eye(5)[np.arange(50) % 5] * 3.0)
    for name, value in {"l0": 1, "hoyer": 1, "l0_fraction": 0.2, "l0_max": 1, "l0_std": 0, "dead": 0}.items():
        assert found.value(name) == pytest.approx(value, abs=1e-6), name
    assert found.matrices["energy"].array == pytest.approx(np.full(5, 9 / 5))


def test_flat_codes_have_hoyer_0_and_zero_rows_are_skipped():
    z = np.concatenate([np.ones((3, 4)), np.zeros((2, 4))])
    found = dict(scores(z).rows)
    assert found["hoyer"].value == pytest.approx(0, abs=1e-6) and found["hoyer"].count == 3
    assert found["l0"].value == pytest.approx(12 / 5)
    assert found["l0_std"].value == pytest.approx(np.sqrt(3.84))


def test_planted_one_in_a_hundred():
    z = np.zeros((400, 1))
    z[::100] = -2.0  # signed codes fire too
    found = scores(np.concatenate([z, np.ones((400, 1))], axis=1))
    assert np.log10(found.matrices["density"].array[0]) == pytest.approx(-2)
    assert found.matrices["density_hist"].array.sum() == 2
    assert found.value("density_log10", {"q": 0.5}) == pytest.approx(-1)
    assert found.value("dense_frac") == 0.5 and found.value("common_frac") == 0.5


def test_signed_codes_do_not_cancel_into_death():
    assert scores([[1.0, 0], [-1, 0]]).value("dead") == 1


def test_random_codes_against_float64():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(250, 150)) * (rng.random((250, 150)) < 0.1)
    found, on = scores(z), z != 0
    l1, l2 = np.abs(z).sum(1), np.linalg.norm(z, axis=1)
    energy = np.square(z).mean(0)
    expected = {
        "l0": on.sum(1).mean(), "l0_std": on.sum(1).std(), "l0_max": on.sum(1).max(),
        "dead_frac": (~on.any(0)).mean(), "dense_frac": (on.mean(0) > 0.1).mean(),
        "hoyer": ((np.sqrt(150) - l1 / l2) / (np.sqrt(150) - 1)).mean(),
        "energy_top1": np.sort(energy)[-2:].sum() / energy.sum(),
    }  # fmt: skip
    for name, value in expected.items():
        assert found.value(name) == pytest.approx(value, abs=1e-6), name


def test_a_dead_latent_changes_no_count_but_dead():
    rng = np.random.default_rng(1)
    z, atoms = np.abs(rng.normal(size=(50, 6))) * (rng.random((50, 6)) < 0.5), np.eye(6, dtype=np.float32)
    names = ("l0", "l0_max", "l0_std", "energy_top1", "dead")
    before = scores(z, atoms, names)
    after = scores(np.pad(z, ((0, 0), (0, 1))), np.pad(atoms, ((0, 1), (0, 0))), names)
    for name in names[:-1]:
        assert after.value(name) == before.value(name)
    assert after.value("dead") == before.value("dead") + 1


def test_a_zero_atom_is_dead_even_if_its_code_fires():
    assert scores(np.ones((4, 2)), np.diag([1.0, 0.0]).astype(np.float32)).value("dead") == 1


def test_silence_is_null():
    rows = dict(scores(np.zeros((4, 3)), metrics=("hoyer", "energy_top1", "density_log10", "l0")).rows)
    assert rows["hoyer"].value is None and rows["energy_top1"].value is None
    assert rows["density_log10"].value is None and rows["l0"].value == 0
