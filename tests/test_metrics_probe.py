"""Probes: two clouds at a distance, single latents against scikit-learn, atoms along and across the gap."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import norm
from scoring import Identity, PairedRows, coco, pooled
from sklearn.metrics import roc_auc_score

from mpsae.metrics.modality import scored
from mpsae.metrics.probe import atom_sides, atom_sides_centred, auc, probe, summary
from mpsae.score import score

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0])
def test_two_clouds_at_distance_delta(ratio):
    """Φ(δ/2σ): .841 at δ = 2σ."""
    count, sigma = 20_000, 3.0
    image, text = sigma * RNG.normal(size=(2, count, 4)) + 100
    found = probe(image + np.eye(4)[0] * ratio * sigma, text)
    assert found.value == pytest.approx(norm.cdf(ratio / 2), abs=0.01) and found.count == count


def test_one_cloud_is_at_chance_and_held_out():
    """More dimensions than rows: a fit of its own rows would be at 1."""
    found = probe(*RNG.normal(size=(2, 150, 400)))
    assert found.value == pytest.approx(0.5, abs=0.12)


def test_sparse_codes_are_probed_as_dense_ones():
    z = RNG.gamma(1.0, size=(2, 200, 12)) * (RNG.random((2, 200, 12)) < [[[0.2]], [[0.5]]])
    assert probe(*map(csr_array, z)).value == pytest.approx(probe(*z).value, abs=0.011)


def test_single_latents_against_scikit_learn():
    z = RNG.normal(size=(300, 9)).round(1) * (RNG.random((300, 9)) < 0.4)
    z[:, 4] = 0
    positive = RNG.random(300) < 0.3
    expected = [roc_auc_score(positive, column) for column in z.T]
    np.testing.assert_allclose(auc(csr_array(z), positive), expected, atol=1e-12)
    assert expected[4] == 0.5


def scores(image, text, metrics):
    params = {"atoms": np.eye(np.shape(image)[1], dtype=np.float32)}
    return score(Identity(), params, PairedRows(image, text), metrics=metrics)


def test_the_best_latent_is_chosen_on_other_rows():
    image, text = RNG.random((2, 400, 200))
    chance = scores(image, text, ("probe_auc_best",)).value("probe_auc_best")
    assert chance == pytest.approx(0.5, abs=0.1)
    image[:, 7] = -1.0  # texts have more of it: the direction is chosen too
    assert scores(image, text, ("probe_auc_best",)).value("probe_auc_best") == 1


def test_probe_rows_say_what_they_read():
    image, text = RNG.random((2, 100, 5)) + [[[0.0]], [[5.0]]]
    found = scores(image, text, ("probe_acc",))
    for of in ("x", "xhat", "code"):
        assert found.value("probe_acc", {"of": of}) == 1


def test_few_or_broken_rows_are_null():
    names = ("probe_acc", "probe_auc_best")
    for _, value in scores(np.eye(3), np.eye(3), names).rows:
        assert value.value is None and value.note == "fewer than four pairs"
    assert probe(np.full((9, 2), np.nan), np.ones((9, 2))).note == "not finite"


def test_atoms_along_the_gap_and_across_it():
    """d = the gap → accuracy 1, which suits a unimodal latent; across → ½, which suits a bimodal one."""
    rest = 0.1 * RNG.normal(size=(200, 3)) * [0, 1, 1]
    pool = pooled(rest + [1, 0, 0], rest * [0, 1, -1] - [1, 0, 0])
    image, text = np.array([1.0, 0, 1, 0]), np.array([0, 1.0, 1, 0])
    atoms = np.array([[2.0, 0, 0], [-1, 0, 0], [0, 3, 0], [0, 0, 1]])
    modality = scored(image, text, np.array([99, 99, 99, 0]), atoms)
    centred = atom_sides_centred(pool, atoms)
    np.testing.assert_allclose(centred, [1, 0, 0.5, 0.5], atol=0.1)
    found = {value.at.get("atoms"): value for value in summary(centred, modality)}
    assert found["image"].value == found["text"].value == 1 and found["bimodal"].value < 0.6
    assert found[None].value == pytest.approx(1, abs=0.04) and found[None].count == 3
    wrong = scored(text, image, np.array([99, 99, 99, 0]), atoms)
    assert summary(centred, wrong)[0].value < 0.4


def test_the_published_origin_is_the_mean_atom():
    """Far from it the sign says nothing: the reason for the centred form."""
    image, text = 0.01 * RNG.normal(size=(2, 50, 2)) + [[[1.0, 0]], [[-1.0, 0]]]
    pool, atoms = pooled(image, text), np.array([[1.0, 0], [1, 0]])
    modality = scored(np.array([9.0, 9]), np.array([9.0, 9]), np.array([50, 50]), atoms)
    origin = modality.energy @ atoms
    expected = ((image @ [1, 0] > origin[0]).mean() + (text @ [1, 0] < origin[0]).mean()) / 2
    np.testing.assert_allclose(atom_sides(pool, atoms, modality), expected)
    np.testing.assert_allclose(atom_sides_centred(pool, atoms), 1)


def test_no_class_is_null():
    modality = scored(np.ones(2), np.ones(2), np.array([3, 3]), np.eye(2))
    assert summary(np.ones(2), modality).note == "no latent has a class"


@pytest.mark.parametrize("name", ["features_clip", "features_clip_random"])
def test_500_real_pairs(shared_data, name):
    assert probe(*coco(shared_data, name).astype(np.float64)).value == pytest.approx(1.0, abs=0.005)
