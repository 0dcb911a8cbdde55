"""Caption chains: closed forms of the order, planted hierarchies, random levels, chunks, the sweep's rows."""

from functools import partial
from io import StringIO

import jax
import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import kendalltau

from mpsae import chains as module
from mpsae import outcome, rows, source
from mpsae.chains import chain_rows, code_distances, first_atoms, first_level, nested, taus
from mpsae.config import Evaluation, Run
from mpsae.labels import Labels
from mpsae.optim import Optim
from mpsae.pairs import paired_arrays
from mpsae.progress import Progress
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK
from mpsae.sweep import sweep

RNG = np.random.default_rng(0)
LEVELS, DIM = 5, 12


def cones(items=40):
    """Texts that gain one orthonormal atom a level, always at most as strong as the last: [items, 5, 12]."""
    z = np.zeros((items, LEVELS, DIM))
    for item in range(items):
        z[item, :, 0] = 3.0  # the root says what all texts share
        for level, atom in enumerate(1 + RNG.permutation(DIM - 1)[: LEVELS - 1], 1):
            z[item, level:, atom] = 2.0 - 0.3 * level
    return z.astype(np.float32)


def pursuit(k=5):
    sae = MatchingPursuit(k=k)
    return sae, sae.init(jax.random.key(0), DIM, DIM) | {"atoms": np.eye(DIM, dtype=np.float32)}


def values(sae, params, texts, ks):
    return {(name, *value.at.values()): value for name, value in chain_rows(sae, params, texts, ks)}


@pytest.mark.parametrize("order, tau", [((1, 2, 3, 4), 1), ((2, 1, 3, 4), 2 / 3), ((2, 1, 4, 3), 1 / 3),
                                        ((4, 3, 2, 1), -1)])  # fmt: skip
def test_orders_by_the_closed_form(order, tau):
    assert taus(np.array([order], float)) == pytest.approx([tau])


def test_ties_are_those_of_tau_b():
    distances = RNG.integers(0, 4, size=(200, 4)).astype(float)
    distances = distances[np.ptp(distances, axis=1) > 0]
    expected = [kendalltau(row, np.arange(4)).statistic for row in distances]
    np.testing.assert_allclose(taus(distances), expected, atol=1e-12)
    rounded = distances * (1 + 1e-7 * RNG.normal(size=distances.shape))
    np.testing.assert_allclose(taus(rounded), expected, atol=1e-12)
    assert np.isnan(taus(np.array([[2.0, 2, 2, 2], [0, 0, 0, 0]]))).all()


def test_random_levels_have_mean_0_and_the_known_deviation():
    found = taus(RNG.normal(size=(20000, 4)))
    assert found.mean() == pytest.approx(0, abs=0.015) and found.std() == pytest.approx(0.4907, abs=0.01)


def test_a_planted_hierarchy_is_in_order_as_far_as_the_atoms_reach():
    found = values(*pursuit(), cones(), (1, 2, 5))
    assert found["chain_tau_x",].value == 1 and found["chain_tau_x",].count == 40
    for name in ("chain_tau_xhat", "chain_tau_code"):
        assert found[name, 5].value == pytest.approx(1)
        # One atom says the same of every text; two tell the root from the rest.
        assert found[name, 1].value is None and found[name, 1].count == 0 and found[name, 1].note
        assert found[name, 2].value is None
    assert found["chain_nested", 5].value == 1
    assert found["chain_nested_null", 5].value < 0.9
    assert found["chain_first_atom_level", 1].value == 0


def test_a_planted_hierarchy_about_one_root_in_every_space():
    texts = cones()
    images = texts[:, -1] * 2
    sae, params = pursuit()
    root = np.eye(1, DIM, dtype=np.float32)[0] * 3  # the first level: what all texts share
    rows = chain_rows(sae, params, texts[:, 1:], (1, 5), images=images, root=root)
    found = {(name, *value.at.values()): value for name, value in rows}
    for space in (("x",), ("xhat", 5), ("code", 5)):
        assert found["tau_d", *space].value == pytest.approx(1)
        # The atoms of later levels are orthogonal to all before: of the texts below, straight on is never.
        assert found["exterior_angle", *space].value == pytest.approx(np.pi / 2, abs=1e-6)
        assert found["exterior_angle_null", *space].value > np.pi / 2 + 0.1
        assert found["hier_recall", *space].value > 0.95 > 0.6 > found["hier_recall_null", *space].value
        assert found["hier_precision", *space].value > 0.9
    # One atom says the same of every text.
    assert found["tau_d", "xhat", 1].value is None and found["exterior_angle", "xhat", 1].note
    assert "hier_recall" not in {name for name, _ in chain_rows(sae, params, texts, (1,))}


def test_without_a_root_it_is_the_mean_of_the_distinct_most_general_texts():
    texts, (sae, params) = cones(), pursuit()
    texts[:30, 0, 1] = 1.5  # two texts, one of them more often
    mean = texts[[0, 39], 0].mean(0)
    rows = [chain_rows(sae, params, texts, (2,), images=texts[:, -1], root=root) for root in (None, mean)]
    for (name, one), (_, other) in zip(*rows, strict=True):
        assert one == other or one.value == pytest.approx(other.value, abs=1e-5), name


def test_shuffled_levels_have_no_order():
    texts = cones(400)
    for chain in texts:
        chain[1:] = RNG.permutation(chain[1:])
    found = values(*pursuit(), texts, (5,))
    for key in (("chain_tau_x",), ("chain_tau_xhat", 5), ("chain_tau_code", 5)):
        assert found[key].value == pytest.approx(0, abs=4 * 0.4907 / 20)


def test_what_is_special_first_is_told_from_what_is_general_first():
    texts = cones()
    texts[:, 1:, 0] = 0.1  # the shared atom is last now: the family's comes first
    found = values(*pursuit(), texts, (1, 5))
    assert found["chain_first_atom_level", 1].value == found["chain_first_atom_level", 5].value == 1


def test_codes_against_dense_sums():
    z = np.where(RNG.random((30, 7)) < 0.4, RNG.normal(size=(30, 7)), 0.0)
    z[4::5, 0] = 1.0  # the last text of every chain has an atom, but those of the third
    z[10:15] = 0.0
    codes, chains = csr_array(z), z.reshape(6, 5, 7)
    np.testing.assert_allclose(
        code_distances(codes, 5), np.linalg.norm(chains[:, 1:] - chains[:, :1], axis=2), atol=1e-12
    )
    on = chains != 0
    for other in (None, 3):
        later = on if other is None else np.roll(on, -other, axis=0)
        expected = [
            np.mean(
                [(this[l] & after[l + 1]).sum() / this[l].sum() for l in range(4) if this[l].any()] or np.nan
            )
            for this, after in zip(on, later, strict=True)
        ]
        np.testing.assert_allclose(nested(codes, 5, other=other), expected, atol=1e-12)
    atoms = first_atoms(codes, 5)
    best = np.abs(chains[:, -1]).argmax(1)
    np.testing.assert_array_equal(atoms, np.where(on[:, -1].any(1), best, -1))
    level = first_level(codes, 5, atoms)
    assert np.isnan(level[2])
    for item in (0, 1, 3, 4, 5):
        assert level[item] == np.flatnonzero(on[item, :, atoms[item]])[0]


def test_one_chain_has_no_other():
    found = values(*pursuit(), cones(1), (5,))
    assert found["chain_nested_null", 5].value is None and found["chain_nested", 5].count == 1
    assert found["exterior_angle_null", "x"].value is None and found["exterior_angle", "x"].count == 1


@pytest.mark.parametrize("sae", [TopK(k=2), ReLU()], ids=["topk", "relu"])
def test_neither_chunks_nor_the_order_of_latents_matter(sae, monkeypatch):
    texts = RNG.normal(size=(9, 4, DIM)).astype(np.float32)
    params = sae.init(jax.random.key(1), DIM, 20)
    before = values(sae, params, texts, (1, 3))
    order = RNG.permutation(20)
    moved = params | {
        "atoms": params["atoms"][order],
        "encoder": params["encoder"][:, order],
        "encoder_bias": params["encoder_bias"][order],
    }
    for key, value in values(sae, moved, texts, (1, 3)).items():
        assert value.value == pytest.approx(before[key].value, abs=1e-6), key
    monkeypatch.setattr(module, "rows_at_once", lambda width, dim: 7)
    for key, value in values(sae, params, texts, (1, 3)).items():
        assert value.value == pytest.approx(before[key].value, abs=1e-6), key


def test_codes_are_those_of_unit_atoms():
    texts, sae = RNG.normal(size=(60, 4, DIM)).astype(np.float32), ReLU()
    params = sae.init(jax.random.key(1), DIM, 20)
    scale = np.exp(RNG.normal(size=20)).astype(np.float32)
    scaled = params | {"atoms": params["atoms"] / scale[:, None], "encoder": params["encoder"] * scale}
    one, other = (values(sae, each, texts, (20,)) for each in (params, scaled))
    assert one["chain_tau_code", 20].value == pytest.approx(other["chain_tau_code", 20].value, abs=1e-6)


def test_chains_need_a_text_below_the_root():
    with pytest.raises(ValueError, match="chains of 1 level"):
        chain_rows(*pursuit(), cones()[:, :1], (1,))


def test_a_sweep_has_the_rows_of_a_source_with_chains(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "SOURCES", dict(source.SOURCES))
    few = ("l0", "concept_of_latent", "concept_auroc", "mono")
    monkeypatch.setattr(outcome, "score", partial(outcome.score, metrics=few))

    class Chained(source.SourceConfig, name="chained"):
        """Pairs with two factors and chains, made up."""

        def build(self, world_seed):
            x = np.random.default_rng(0).normal(size=(80, DIM))
            pairs = np.repeat(np.arange(80)[:, None], 2, axis=1)
            labels = Labels(
                {"kind": np.arange(20) % 4, "family": np.arange(20) % 4 // 2}, parent=(("kind", "family"),)
            )
            return paired_arrays(
                x,
                x[::-1],
                pairs[:60],
                pairs[60:],
                labels=labels,
                root=0,
                chains=np.stack([np.arange(16) + i for i in (0, 20, 30, 40, 62)], axis=1),
            )

    run = Run(
        source=Chained(), sae=TopK(k=2), width=16, optim=Optim(steps=4, batch=8, lr=1e-2), label="topk",
        evaluation=Evaluation(ks=(1, 2), matrices=("concept_of_latent",)),
    )  # fmt: skip
    sweep([run], experiment="test", scale="smoke", folder=tmp_path, command="", progress=Progress(StringIO()))
    (group,) = rows.load(tmp_path).groups
    found = {(line["metric"], *line["at"].values()): line for line in group.values}
    for name in ("tau_xhat", "tau_code", "nested", "nested_null", "first_atom_level"):
        for k in (1, 2):
            assert (f"chain_{name}", k) in found, name
    for name in ("tau_d", "exterior_angle", "hier_precision", "hier_recall_null"):
        for space in (("x",), (1, "xhat"), (2, "code")):
            assert (name, *space) in found, (name, space)
    assert found["chain_tau_x",]["count"] == 16 and -1 <= found["chain_tau_x",]["value"] <= 1
    assert rows.read_array(tmp_path, found["concept_of_latent",]).shape == (16, 2)
    assert found["concept_auroc", "family", "both"]["count"] == 2
    assert found["mono", "kind", "image"]["value"] is not None
