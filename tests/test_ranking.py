"""Latents as detectors, against scikit-learn and against every threshold tried one by one."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.metrics import f1_score, roc_auc_score

from mpsae.ranking import Ranked, auroc, best_detectors, f1_of

RNG = np.random.default_rng(0)


def sparse_codes(n=60, p=7, *, signed=False):
    """Codes with ties, zeros, a latent that never fires, one that always does."""
    z = np.round(RNG.normal(size=(n, p)) * 3) / 3
    z = np.where(RNG.random((n, p)) < 0.5, z if signed else np.abs(z), 0.0)
    z[:, 2], z[:, 3] = 0.0, 1.0 + np.round(RNG.random(n), 1)
    return z


@pytest.mark.parametrize("signed", [False, True])
def test_auroc_against_scikit_learn(signed):
    z, label = sparse_codes(signed=signed), RNG.integers(0, 3, 60)
    found = auroc(Ranked(csr_array(z)), label[:, None] == np.arange(3))
    for latent in range(z.shape[1]):
        for number in range(3):
            expected = roc_auc_score(label == number, z[:, latent])
            assert found[latent, number] == pytest.approx(expected, abs=1e-12)
    assert found[2] == pytest.approx(0.5)


def test_none_or_all_as_members_has_no_auroc():
    found = auroc(
        Ranked(csr_array(sparse_codes())), np.stack([np.zeros(60, bool), np.ones(60, bool)], axis=1)
    )
    assert np.isnan(found).all()


def test_the_best_detector_against_every_threshold():
    z, label = sparse_codes(), RNG.integers(-1, 3, 60)
    ranked = Ranked(csr_array(z))
    detector = best_detectors(ranked, label, 3)
    reached = f1_of(ranked, label, 3, detector)
    for number in range(3):
        tried = [
            f1_score(label == number, z[:, latent] >= t)
            for latent in range(z.shape[1])
            for t in np.unique(z[z[:, latent] > 0, latent])
        ]
        assert reached[number] == pytest.approx(max(tried), abs=1e-12)


def test_the_threshold_is_half_way_to_the_next_smaller_code():
    z = np.array([[3.0, 4.0], [2.0, 5.0], [1.0, 0.0], [-1.0, 0.0]])
    best = best_detectors(Ranked(csr_array(z)), np.array([0, 0, 1, 1]), 2)
    found = sorted(zip(best.detects.tolist(), best.latent.tolist(), best.threshold.tolist(), strict=True))
    assert found == [(0, 0, 1.5), (0, 1, 2.0), (1, 0, 0.5)]


def test_equal_detectors_share_the_score():
    """Chosen on rows where two latents are equal; one of them holds elsewhere, the other does not."""
    label = np.array([0, 0, 1, 1])
    best = best_detectors(Ranked(csr_array([[1.0, 1], [1, 1], [0, 0], [0, 0]])), label, 2)
    other = Ranked(csr_array([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    np.testing.assert_allclose(f1_of(other, label, 2, best), [0.5, 0.0])


def test_a_class_nothing_fires_on_has_no_detector_and_f1_0():
    ranked, label = Ranked(csr_array([[1.0, 0.0], [0.0, -2.0], [2.0, 0.0]])), np.array([0, 1, 0])
    detector = best_detectors(ranked, label, 3)
    assert detector.latent.tolist() == [0] and detector.detects.tolist() == [0]
    reached = f1_of(ranked, label, 3, detector)
    np.testing.assert_array_equal(reached[:2], [1.0, 0.0])
    assert np.isnan(reached[2])


def test_entries_go_by_value_then_by_row():
    ranked = Ranked(csr_array([[1.0, -1.0], [2.0, 0.0], [1.0, 3.0]]))
    np.testing.assert_array_equal(ranked.row, [1, 0, 2, 2, 0])
    np.testing.assert_array_equal(ranked.place, [0, 1, 2, 0, 1])
    np.testing.assert_array_equal(ranked.ties, [[0, 1, 1, 0, 1], [0, 2, 2, 0, 1]])
