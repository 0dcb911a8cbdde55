"""Recovery of rearranged truths: permuted, flipped, rescaled, duplicated, dead-padded, random."""

import itertools

import numpy as np
import pytest
from scoring import Mixed, Rows, family, mixed, orthonormal, sampled
from sklearn.metrics import roc_auc_score

from mpsae.metrics.recovery import random_floor
from mpsae.score import score

ONES = (
    "mcc", "mcc_signed", "mcc_all", "match_cos_codes", "mmcs", "mmcs_rev", "uniqueness",
    "uniqueness_alive", "f1_argmax", "precision_argmax", "recall_argmax", "f1_hungarian", "f1_truth",
    "f1_best_threshold", "auroc", "support_precision", "support_recall", "coef_slope",
)  # fmt: skip
NAMES = (*ONES, "recovered", "coef_nmse", "l0_gap", "random_floor")
WORLD = family(orthonormal(5, 8))
X, Z = sampled(WORLD)
ORDER = np.array([3, 0, 4, 1, 2])


def scores(*, atoms=None, mix=None, world=WORLD, x=X, z=Z, metrics=NAMES):
    return score(Mixed(), mixed(world, atoms=atoms, mix=mix), Rows(x, z, world), metrics=metrics)


@pytest.mark.parametrize("scale", [np.ones(5), np.array([0.1, 1, 2, 5, 10])])
def test_a_permuted_rescaled_truth_is_perfect(scale):
    mix = np.eye(5)[:, ORDER] / scale
    found = scores(atoms=np.asarray(WORLD.atoms)[ORDER] * scale[:, None], mix=mix)
    for name in ONES:
        assert found.value(name) == pytest.approx(1, abs=1e-6), name
    assert found.value("coef_nmse") == pytest.approx(0, abs=1e-10)
    for t in (0.9, 0.95, 0.99):
        assert found.value("recovered", {"t": t}) == 1
    assert found.value("l0_gap") == pytest.approx((Z > 0).sum(1).mean() - float(WORLD.true_l0), abs=1e-6)


def test_a_sign_flip_is_forgiven_by_mcc_only():
    found = scores(atoms=-np.asarray(WORLD.atoms), metrics=("mcc", "mcc_signed", "mcc_all", "mmcs"))
    assert found.value("mcc") == pytest.approx(1) and found.value("mcc_signed") == pytest.approx(0, abs=1e-7)
    assert found.value("mcc_all") == pytest.approx(0, abs=1e-7)


def test_duplicates_fool_the_argmax_convention():
    world = family(orthonormal(2, 4), parent=(-1, -1))
    z = np.zeros((100, 2))
    z[:50, 0], z[50:, 1] = 1.0, 1.0  # never together
    atoms = np.asarray(world.atoms)
    found = scores(
        atoms=atoms[[0, 0]], mix=[[1, 1], [0, 0]], world=world, x=z @ atoms, z=z,
        metrics=("f1_argmax", "uniqueness", "f1_hungarian"),
    )  # fmt: skip
    assert [value.value for _, value in found.rows] == pytest.approx([1.0, 0.5, 0.5])


def test_shrunken_codes_by_the_closed_form():
    found = scores(mix=0.8 * np.eye(5), metrics=("coef_nmse", "coef_slope", "f1_truth"))
    assert [value.value for _, value in found.rows] == pytest.approx([0.04, 0.8, 1.0], abs=1e-6)


def test_a_narrow_dictionary_is_judged_over_all_features_by_the_all_conventions():
    atoms, mix = np.asarray(WORLD.atoms)[:2], np.eye(5)[:, :2]
    found = scores(atoms=atoms, mix=mix)
    for name in ("mcc", "mcc_signed", "f1_hungarian", "f1_argmax", "support_precision"):
        assert found.value(name) == pytest.approx(1, abs=1e-6), name
    for name in ("mcc_all", "mmcs", "f1_truth"):
        assert found.value(name) == pytest.approx(0.4, abs=1e-6), name
    assert found.value("recovered", {"t": 0.9}) == pytest.approx(0.4)
    assert found.value("support_recall") == pytest.approx((Z[:, :2] > 0).sum() / (Z > 0).sum())


def test_counts_against_float64():
    rng = np.random.default_rng(5)
    atoms, mix = rng.normal(size=(7, 8)), np.maximum(rng.normal(size=(5, 7)), 0) * (rng.random((5, 7)) < 0.5)
    found, codes, on = scores(atoms=atoms, mix=mix), Z @ mix, Z > 0
    unit = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    cosine = unit @ np.asarray(WORLD.atoms, np.float64).T
    match = max(itertools.permutations(range(7), 5), key=lambda p: cosine[list(p), range(5)].sum())

    def f1(prediction, truth):
        return 2 * (prediction & truth).sum() / max(prediction.sum() + truth.sum(), 1)

    best = np.abs(cosine).argmax(1)
    fired = codes > 0
    expected = {
        "f1_argmax": np.mean([f1(fired[:, i], on[:, best[i]]) for i in range(7)]),
        "f1_hungarian": np.mean([f1(fired[:, match[j]], on[:, j]) for j in range(5)]),
        "mcc_signed": cosine[list(match), range(5)].mean(), "mmcs": cosine.max(0).mean(),
        "mmcs_rev": cosine.max(1).mean(), "uniqueness": len(set(best)) / 7,
        "support_precision": sum((fired[:, match[j]] & on[:, j]).sum() for j in range(5)) / fired.sum(),
    }  # fmt: skip
    for name, value in expected.items():
        assert found.value(name) == pytest.approx(value, abs=1e-6), name


def test_the_threshold_metrics_isolate_calibration():
    names = ("f1_hungarian", "f1_best_threshold", "auroc")
    leaky = score(Leaky(), mixed(WORLD), Rows(X, Z, WORLD), metrics=names)
    rates = (Z > 0).mean(0)
    assert leaky.value("f1_hungarian") == pytest.approx((2 * rates / (1 + rates)).mean(), abs=1e-6)
    assert leaky.value("f1_best_threshold") == pytest.approx(1) and leaky.value("auroc") == pytest.approx(1)


def test_auroc_against_scikit_learn():
    mix = np.eye(5) + 0.4 * np.roll(np.eye(5), 1, axis=1)
    found, codes = scores(mix=mix, metrics=("auroc",)), Z @ mix
    expected = np.mean([roc_auc_score(Z[:, j] > 0, codes[:, j]) for j in range(5)])
    assert found.value("auroc") == pytest.approx(expected, abs=5e-3)  # bins of 1/32 of the mean


@pytest.mark.parametrize("dim, count, expected", [(64, 320, 0.374), (20, 20, 0.464), (768, 16384, 0.147)])
def test_the_random_floor_is_the_beta_law(dim, count, expected):
    assert random_floor(dim, count) == pytest.approx(expected, abs=6e-4)


def test_random_dictionaries_reach_the_published_floors():
    from mpsae import match

    rng = np.random.default_rng(0)
    cosine = match.cosines(rng.normal(size=(320, 64)), rng.normal(size=(320, 64)))
    pick = lambda found, table: table[found, np.arange(320)].mean()  # noqa: E731
    assert pick(match.by_abs_cosine(cosine), np.abs(cosine)) == pytest.approx(0.363, abs=0.006)
    assert pick(match.by_cosine(cosine), cosine) == pytest.approx(0.339, abs=0.006)
    assert np.abs(cosine).max(0).mean() == pytest.approx(0.381, abs=0.006)
    small = [match.cosines(*rng.normal(size=(2, 20, 20))) for _ in range(30)]
    floor = np.mean([np.abs(c)[match.by_abs_cosine(c), np.arange(20)].mean() for c in small])
    assert floor == pytest.approx(0.43, abs=0.02)


def test_without_truth_every_score_is_null_with_the_reason():
    from scoring import Identity

    result = score(Identity(), {"atoms": np.eye(8, dtype=np.float32)}, Rows(X), metrics=NAMES)
    assert {name for name, _ in result.rows} == set(NAMES)
    assert all(value.value is None and value.note == "no ground truth" for _, value in result.rows)


def test_undefined_shares_are_0_where_published_and_null_elsewhere():
    silent = scores(mix=np.zeros((5, 5)))
    for name in ("f1_argmax", "precision_argmax", "recall_argmax", "f1_hungarian", "support_precision"):
        assert silent.value(name) == 0, name
    assert silent.value("uniqueness_alive") is None
    blind = scores(atoms=np.zeros((5, 8)))
    assert blind.value("mcc") == 0 and blind.value("coef_nmse") is None and blind.value("auroc") is None


class Leaky(Mixed):
    """The true codes plus a weak code where they are 0."""

    def encode_true(self, params, x, zt):
        import jax.numpy as jnp

        from mpsae.code import Code

        return Code(values=jnp.where(zt > 0, zt, 0.1), width=zt.shape[1])
