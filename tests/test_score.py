"""The scorer as a whole: invariances, dead padding, null policy, one compile."""

import functools

import numpy as np
import pytest
from scoring import (
    Affine,
    Dense,
    Identity,
    Mixed,
    Pursuit,
    Repeats,
    Rows,
    family,
    mixed,
    oracle_codes,
    orthonormal,
    sampled,
)

from mpsae import bounds, heldout, kept
from mpsae import score as scorer
from mpsae.config import Seed
from mpsae.mesh import over_rows, row_mesh
from mpsae.metrics.base import METRICS, known_metrics, metric
from mpsae.oracle import Bound
from mpsae.projection import Projection
from mpsae.score import score

WORLD = family(orthonormal(5, 8))
X, Z = sampled(WORLD)
RNG = np.random.default_rng(0)
ATOMS = (np.asarray(WORLD.atoms) + 0.15 * RNG.normal(size=(5, 8))).astype(np.float32)
UNIT = ATOMS / np.linalg.norm(ATOMS, axis=1, keepdims=True)
FAMILIES = tuple(
    f"mpsae.metrics.{family}"
    for family in [
        "reconstruction",
        "sparsity",
        "recovery",
        "hierarchy",
        "absorption",
        "order",
        "geometry",
        "spectrum",
    ]
)
IN_LATENT_ORDER = ("density", "energy")
OURS = tuple(name for name, formula in known_metrics().items() if formula.function.__module__ in FAMILIES)
UP = (
    "mcc", "mcc_signed", "mcc_all", "match_cos_codes", "mmcs", "mmcs_rev", "uniqueness",
    "uniqueness_alive", "f1_argmax", "precision_argmax", "recall_argmax", "f1_hungarian", "f1_truth",
    "f1_best_threshold", "auroc", "support_precision", "support_recall", "recovered",
)  # fmt: skip
DOWN = (
    "coef_nmse", "flat_mse", "hier_mse", "absorb_cos", "absorb_cos_codes", "absorb_fire",
    "absorb_mag", "absorb_full", "absorb_fraction", "split_count", "hedging", "coherence",
    "coherence_signed", "mean_max_cos", "composition_maxcos", "babel", "dead", "dead_frac",
)  # fmt: skip


def everything(sae, params, rows, *, eps=0.0, devices=None):
    """{(metric, point): value}, arrays among them."""
    result = score(sae, params, rows, metrics=OURS, eps=eps, devices=devices)
    found = {(name, *value.at.items()): value.value for name, value in result.rows}
    return found | {name: matrix.array for name, matrix in result.matrices.items()}


def same(one, other, *, leave_out=()):
    assert one.keys() == other.keys()
    for key, value in one.items():
        if key in leave_out or key[0] in leave_out:
            continue
        if value is None:
            assert other[key] is None, key
        else:
            assert other[key] == pytest.approx(value, rel=1e-6, abs=1e-6), key


INVARIANCE = pytest.mark.xdist_group("invariance")  # one worker: they share a reference


@functools.cache
def reference():
    """Every score of a perturbed dictionary under pursuit, all rows in one block."""
    return everything(Pursuit(k=3), {"atoms": UNIT}, Rows(X, Z, WORLD))


@INVARIANCE
@pytest.mark.parametrize("block", [1, 7, 1000])
def test_no_score_depends_on_the_batch_size(block):
    same(reference(), everything(Pursuit(k=3), {"atoms": UNIT}, Rows(X, Z, WORLD, block)))


@INVARIANCE
def test_no_score_depends_on_the_devices_that_rows_are_divided_over(monkeypatch):
    seen = []

    def spy(rows, devices):
        seen.append(over_rows(rows, devices))
        return seen[-1]

    monkeypatch.setattr(scorer, "over_rows", spy)
    count = len(X) // 8 * 8 - 6  # the last of its blocks divides by 2 alone
    one, four = (
        everything(Pursuit(k=3), {"atoms": UNIT}, Rows(X[:count], Z[:count], WORLD, 100), devices=devices)
        for devices in (None, row_mesh(4))
    )
    same(one, four)
    assert [len(x.sharding.device_set) for x, _ in seen] == [4] * (count // 100) + [2]


@INVARIANCE
def test_no_score_depends_on_the_order_of_samples_or_latents():
    order, latents = RNG.permutation(len(X)), RNG.permutation(5)
    same(reference(), everything(Pursuit(k=3), {"atoms": UNIT}, Rows(X[order], Z[order], WORLD)))
    moved = everything(Pursuit(k=3), {"atoms": UNIT[latents]}, Rows(X, Z, WORLD))
    same(reference(), moved, leave_out=IN_LATENT_ORDER)
    for name in IN_LATENT_ORDER:
        assert moved[name] == pytest.approx(reference()[name][latents], rel=1e-6)


@pytest.mark.parametrize("rows", [1, 13])
@INVARIANCE
def test_no_score_depends_on_how_a_block_is_cut(rows, monkeypatch):
    monkeypatch.setattr(heldout, "rows_at_once", lambda width, dim: rows)
    monkeypatch.setattr(kept, "rows_at_once", lambda width, dim: rows)
    same(reference(), everything(Pursuit(k=3), {"atoms": UNIT}, Rows(X, Z, WORLD, 100)))


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_a_code_has_the_same_scores_dense_and_sparse(eps):
    """More latents than features and the other way round; lengths other than 1; every metric."""
    more = np.concatenate([0.5 * UNIT, UNIT[:3] + 0.4 * RNG.normal(size=(3, 8)), np.zeros((1, 8))])
    for atoms in (more, UNIT[:4]):
        params = {"atoms": np.asarray(atoms, np.float32)}
        sparse, dense = (
            everything(sae, params, Rows(X, Z, WORLD, 100), eps=eps)
            for sae in (Repeats(k=3), Dense(inner=Repeats(k=3)))
        )
        same(sparse, dense)
        assert sum(value is not None for value in sparse.values()) > 90


def test_wide_codes_have_the_same_scores_dense_and_sparse():
    """Wide enough that second moments are scattered and absorption reads no table of cosines."""
    atoms = RNG.normal(size=(400, 8)).astype(np.float32)
    params = {"atoms": atoms / np.linalg.norm(atoms, axis=1, keepdims=True)}
    sparse, dense = (
        everything(sae, params, Rows(X[:40], Z[:40], WORLD, 7))
        for sae in (Repeats(k=3), Dense(inner=Repeats(k=3)))
    )
    same(sparse, dense, leave_out=("eff_rank_gram", "eff_rank_sv", "eff_rank_rownorm"))
    for name in ("eff_rank_gram", "eff_rank_sv", "eff_rank_rownorm"):  # 360 eigenvalues that are 0
        assert sparse[name,] == pytest.approx(dense[name,], rel=1e-3)


def test_tables_above_the_bound_are_null_with_a_note_and_the_rest_is_as_before(monkeypatch, registries):
    @metric
    def whole(cosines):
        """A plug-in that reads the table of cosines, an array."""
        return float(cosines.sum())

    names = (*OURS, "whole")
    before = dict(score(Pursuit(k=3), {"atoms": UNIT}, Rows(X, Z, WORLD), metrics=names).rows)
    monkeypatch.setattr(bounds, "TABLE", 8 * 24)  # entries; ZᵀZ has 25
    after = dict(score(Pursuit(k=3), {"atoms": UNIT}, Rows(X, Z, WORLD), metrics=names).rows)
    refused = {name for name in before if after[name].value is None and before[name].value is not None}
    spectra = {name for name, formula in METRICS.items() if formula.function.__module__ == FAMILIES[-1]}
    assert refused == spectra | {"whole", "auroc", "f1_best_threshold", "absorb_fire", "absorb_mag"}
    assert all(after[name].note == "needs a 5 x 5 table: above 4 x 4" for name in spectra | {"whole"})
    assert after["auroc"].note == "needs a 2 x 5 x 129 table: above 4 x 4"
    assert {name: after[name] for name in after.keys() - refused} == pytest.approx(
        {name: before[name] for name in after.keys() - refused}
    )


def test_without_a_matching_what_needs_truth_is_null_and_the_rest_is_not(monkeypatch):
    def too_large(cosine):
        raise bounds.TooLarge("too many candidates")

    monkeypatch.setattr(scorer.matching, "by_cosine", too_large)
    found = dict(score(Pursuit(k=3), {"atoms": UNIT}, Rows(X, Z, WORLD), metrics=OURS).rows)
    for name in ("mcc_signed", "f1_truth", "absorb_full", "flat_mse", "path_order"):
        assert found[name].value is None and found[name].note == "too many candidates", name
    for name in ("ev", "l0", "mcc", "mmcs", "coherence", "stable_rank"):
        assert found[name].value is not None, name


def test_rescaled_atoms_with_inverse_codes_change_only_what_reads_raw_codes():
    scale = np.array([0.2, 0.5, 1, 2, 5])
    plain = everything(Mixed(), mixed(WORLD, atoms=ATOMS), Rows(X, Z, WORLD))
    moved = everything(
        Mixed(), mixed(WORLD, atoms=ATOMS * scale[:, None], mix=np.diag(1 / scale)), Rows(X, Z, WORLD)
    )
    raw = {
        "energy",
        "energy_top1",
        "hoyer",
        "eff_rank_gram",
        "eff_rank_sv",
        "eff_rank_rownorm",
        "stable_rank",
    }
    same(plain, moved, leave_out=(*raw, "stable_rank_gram"))
    assert moved["stable_rank",] != pytest.approx(plain["stable_rank",])


@pytest.mark.parametrize("width", [3, 6])
def test_adding_a_dead_latent_never_improves_a_score(width):
    atoms = np.concatenate([ATOMS, ATOMS[:1] + ATOMS[3:4]])[:width]
    mix = np.maximum(np.eye(5, 6) + 0.2 * RNG.normal(size=(5, 6)), 0)[:, :width]
    before, after = (
        score(Mixed(), params, Rows(X, Z, WORLD), metrics=UP + DOWN)
        for params in (
            mixed(WORLD, atoms=atoms, mix=mix),
            mixed(WORLD, atoms=np.pad(atoms, ((0, 1), (0, 0))), mix=np.pad(mix, ((0, 0), (0, 1)))),
        )
    )
    for (name, old), (_, new) in zip(before.rows, after.rows, strict=True):
        if old.value is None:
            assert new.value is None, name
        else:
            rise = new.value - old.value
            assert (rise if name in UP else -rise) <= 1e-9, (name, old, new)
    assert after.value("dead") == before.value("dead") + 1


def test_without_truth_or_steps_scores_are_null_and_the_rest_is_not():
    found = dict(score(Identity(), {"atoms": np.eye(8, dtype=np.float32)}, Rows(X)).rows)
    for name, value in found.items():
        assert value.value is None or np.isfinite(value.value), name
        assert value.value is not None or value.note, name
    notes = {name: value.note for name, value in found.items() if value.value is None}
    assert notes["mcc"] == notes["absorb_cos"] == notes["path_order"] == "no ground truth"
    assert {name for name in found if name not in notes} >= {
        "ev",
        "l0",
        "coherence",
        "eff_rank_gram",
        "hoyer",
    }
    with_truth = dict(score(Mixed(), mixed(WORLD), Rows(X, Z, WORLD), metrics=("path_order", "mcc")).rows)
    assert with_truth["path_order"].value is None and "not a pursuit" in with_truth["path_order"].note
    assert with_truth["mcc"].value == pytest.approx(1)


def test_broken_codes_are_null_and_broken_atoms_are_refused():
    broken = mixed(WORLD, mix=np.full((5, 5), np.nan))
    found = dict(score(Mixed(), broken, Rows(X, Z, WORLD), metrics=OURS).rows)
    for name in ("ev", "nmse", "coef_nmse", "eff_rank_gram", "stable_rank", "neg_interference", "hoyer"):
        assert found[name].value is None and "not finite" in found[name].note, name
    with pytest.raises(ValueError, match="not finite"):
        score(Mixed(), mixed(WORLD, atoms=np.full((5, 8), np.inf)), Rows(X, Z, WORLD))


def test_an_r2_of_the_paper_kind_is_not_our_ev():
    x = X + np.linspace(0, 3, 8)
    params = {"atoms": np.eye(8), "scale": np.zeros(8), "shift": x.mean(0)}
    found = score(Affine(), params, Rows(x), metrics=("ev", "r2_scalar"))
    assert found.value("ev") == pytest.approx(0, abs=1e-6) and found.value("r2_scalar") > 0.3


def test_the_oracle_and_random_rows():
    truth = score(*oracle_codes(WORLD), Rows(X, Z, WORLD), metrics=("ev", "mcc", "f1_truth", "coef_nmse"))
    assert [value.value for _, value in truth.rows] == pytest.approx([1, 1, 1, 0], abs=1e-6)
    top = Bound("oracle top-k", "true", Projection(k=round(float(WORLD.true_l0))))
    inferred = score(
        *top.build(Rows(X, Z, WORLD), Seed(), len(WORLD.atoms)), Rows(X, Z, WORLD), metrics=("mcc", "l0")
    )
    assert inferred.value("mcc") == pytest.approx(1) and inferred.value("l0") <= round(float(WORLD.true_l0))
    floor = Bound("random", "random", Projection(k=2))
    random = score(
        *floor.build(Rows(X, Z, WORLD), Seed(), len(WORLD.atoms)), Rows(X, Z, WORLD), metrics=("mcc",)
    )
    assert 0.2 < random.value("mcc") < 0.7


def test_codes_below_eps_are_inactive_in_every_count_but_not_in_the_reconstruction():
    """A pursuit that takes three steps fires on rounding error; eps is on the scale of unit atoms."""
    names = ("l0", "f1_truth", "path_order", "match_cos_codes", "ev")
    exact = {"atoms": np.asarray(WORLD.atoms)}
    mix = {**mixed(WORLD, atoms=4 * exact["atoms"], mix=np.eye(5) / 4)}
    noisy = score(Mixed(), mix, Rows(X, Z + 1e-4, WORLD), metrics=names)
    assert noisy.value("l0") == 5
    clean = score(Mixed(), mix, Rows(X, Z + 1e-4, WORLD), metrics=names, eps=1e-3)
    assert clean.value("l0") == pytest.approx((Z > 0).sum(1).mean())
    assert clean.value("ev") == noisy.value("ev")
    steps = score(Pursuit(k=3), exact, Rows(X, Z, WORLD), metrics=("level_by_step", "l0"), eps=0.5)
    sizes = np.sort(Z, axis=1)[:, ::-1][:, :3]
    assert steps.value("l0") == pytest.approx((sizes > 0.5).sum(1).mean())
    counts = [value.count for name, value in steps.rows if name == "level_by_step"]
    assert counts == (sizes > 0.5).sum(0).tolist()


def test_one_compile_serves_all_values_of_params():
    rows = Rows(X, Z, WORLD, block=70)
    score(Pursuit(k=2), {"atoms": UNIT}, rows, metrics=("ev", "f1_truth"))
    before = scorer._block._cache_size()
    score(Pursuit(k=2), {"atoms": UNIT + 0.1}, rows, metrics=("ev", "f1_truth"))
    assert scorer._block._cache_size() == before
    score(Pursuit(k=1), {"atoms": UNIT}, rows, metrics=("ev", "f1_truth"))
    assert scorer._block._cache_size() == before + 1
