"""Coherence, Babel and ranks of dictionaries and codes with a closed form."""

import numpy as np
import pytest
from scoring import Identity, Rows, orthonormal

from mpsae.score import score

ATOMS = (
    "coherence", "coherence_signed", "mean_max_cos", "composition_maxcos", "coherence_hist", "babel",
    "eff_rank_dict",
)  # fmt: skip
CODES = (
    "eff_rank_gram", "eff_rank_sv", "eff_rank_rownorm", "stable_rank", "stable_rank_gram", "connectivity",
    "neg_interference", "babel_coactive",
)  # fmt: skip


def scores(atoms, z=None, metrics=ATOMS):
    atoms = np.asarray(atoms, np.float32)
    return score(Identity(), {"atoms": atoms}, Rows(np.eye(len(atoms)) if z is None else z), metrics=metrics)


def equicorrelated(c, count):
    return np.linalg.cholesky((1 - c) * np.eye(count) + c)


def classes(counts):
    """One-hot codes with the given number of rows per class."""
    return np.repeat(np.eye(len(counts)), counts, axis=0)


def test_orthonormal_atoms():
    found = scores(5.0 * orthonormal(6, 6))
    for name in ("coherence", "coherence_signed", "mean_max_cos", "composition_maxcos"):
        assert found.value(name) == pytest.approx(0, abs=1e-6), name
    assert found.value("eff_rank_dict") == pytest.approx(6, abs=1e-5)
    assert found.matrices["coherence_hist"].array.sum() == 30


def test_a_duplicate_and_its_negative():
    atoms = orthonormal(3, 4)
    assert scores([*atoms, 2 * atoms[0]]).value("coherence") == pytest.approx(1)
    found = scores([*atoms, -atoms[0]])
    assert found.value("coherence") == pytest.approx(1)
    assert found.value("coherence_signed") == pytest.approx(0, abs=1e-6)
    assert found.value("mean_max_cos") == pytest.approx(0.5, abs=1e-6)  # two names, two formulas
    assert found.value("composition_maxcos") == pytest.approx(0, abs=1e-6)


def test_coherence_is_at_least_welch():
    for count, dim in ((12, 4), (40, 8)):
        atoms = np.random.default_rng(dim).normal(size=(count, dim))
        assert scores(atoms).value("coherence") >= np.sqrt((count - dim) / (dim * (count - 1)))


def test_babel_of_equicorrelated_atoms():
    found = scores(equicorrelated(0.3, 12))
    for r in (1, 2, 5, 10):
        assert found.value("babel", {"r": r}) == pytest.approx(0.3 * r, abs=1e-5)
    assert found.matrices["coherence_hist"].array[[129, 130]].sum() == 132  # all at .3


def test_babel_in_blocks_equals_babel_in_one(monkeypatch):
    from mpsae.metrics import geometry

    atoms = np.random.default_rng(0).normal(size=(37, 6))
    whole = geometry.atom_pairs(atoms)
    monkeypatch.setattr(geometry, "BLOCK", 5)
    for one, other in zip(whole, geometry.atom_pairs(atoms), strict=True):
        assert one == pytest.approx(other)
    gram = np.abs(geometry.normalised(atoms) @ geometry.normalised(atoms).T) - np.eye(37)
    brute = np.cumsum(-np.sort(-gram, axis=1), axis=1).max(0)[:36]
    assert whole.babel == pytest.approx(brute)


def test_babel_of_the_paper_tree():
    atoms = np.eye(20)
    for group in ([0, 4, 8, *range(12, 20)], [1, 2, 3], [5, 6, 7], [9, 10, 11]):
        atoms[group] = equicorrelated(0.4, len(group)) @ np.eye(20)[group]
    found = scores(atoms)
    for r in (1, 2, 5, 10):
        assert found.value("babel", {"r": r}) == pytest.approx(0.4 * r, abs=1e-5)


def test_coactive_babel_counts_only_supports_larger_than_r():
    z = np.zeros((4, 6))
    z[0, :2], z[1, :4], z[2, 0] = 1, 1, 1
    found = scores(equicorrelated(0.3, 6), z, CODES)
    assert found.value("babel_coactive", {"r": 1}) == pytest.approx(0.3, abs=1e-5)
    assert found.value("babel_coactive", {"r": 2}) == pytest.approx(0.6, abs=1e-5)
    assert {value.at["r"]: value.count for name, value in found.rows if name == "babel_coactive"} == {
        1: 2,
        2: 1,
    }


def test_ranks_of_shares_half_quarter_quarter():
    found = scores(np.eye(3), classes([20, 10, 10]), CODES)
    expected = {
        "eff_rank_gram": 2.828, "eff_rank_sv": 2.958, "stable_rank": 2.0, "stable_rank_gram": 1.5,
        "eff_rank_rownorm": 2.828, "connectivity": 1 - 1 / 3, "neg_interference": 0,
    }  # fmt: skip
    for name, value in expected.items():
        assert found.value(name) == pytest.approx(value, abs=6e-4), name


def test_ranks_of_equal_classes_and_of_rank_one():
    found = scores(np.eye(7), classes([9] * 7), CODES)
    for name in ("eff_rank_gram", "eff_rank_sv", "stable_rank", "stable_rank_gram"):
        assert found.value(name) == pytest.approx(7, abs=1e-5), name
    rng = np.random.default_rng(0)
    found = scores(np.eye(5), rng.random((60, 1)) @ rng.random((1, 5)), CODES)
    for name in ("eff_rank_gram", "eff_rank_sv", "eff_rank_rownorm", "stable_rank"):
        assert found.value(name) == pytest.approx(1, abs=1e-5), name
    assert found.value("connectivity") == 0


def test_row_norms_matter_to_the_raw_rank_only():
    z = classes([10, 10]) * np.repeat([1.0, 3.0], 10)[:, None]
    found = scores(np.eye(2), z, CODES)
    assert found.value("eff_rank_rownorm") == pytest.approx(2, abs=1e-6)
    assert found.value("eff_rank_gram") == pytest.approx(0.9**-0.9 * 0.1**-0.1, abs=1e-5)


def test_negative_interference_against_numpy():
    rng = np.random.default_rng(1)
    z, atoms = rng.normal(size=(80, 6)), rng.normal(size=(6, 4))
    against = np.maximum(-(z.T @ z) * (atoms @ atoms.T), 0)
    found = scores(atoms, z, ("neg_interference",))
    assert found.value("neg_interference") == pytest.approx(np.linalg.norm(against, 2), rel=1e-5)
    assert scores(np.abs(atoms), np.abs(z), ("neg_interference",)).value("neg_interference") == 0


def test_zero_atoms_change_nothing():
    atoms = -orthonormal(3, 3) - 0.2  # all cosines differ from 0
    before, after = scores(atoms), scores(np.pad(atoms, ((0, 2), (0, 0))))
    for name in ("coherence", "coherence_signed", "mean_max_cos", "composition_maxcos", "eff_rank_dict"):
        assert before.value(name) == pytest.approx(after.value(name)), name


def test_undefined_is_null():
    assert all(value.value is None for _, value in scores(np.zeros((2, 3))).rows)
    assert all(value.value is None and value.note for _, value in scores([[1.0, 0]], metrics=ATOMS[:4]).rows)
    silent = dict(scores(np.eye(3), np.zeros((4, 3)), CODES).rows)
    assert silent["eff_rank_gram"].value is None and silent["babel_coactive"].value is None
