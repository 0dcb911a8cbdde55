"""Parents and children: the oracle, the merged child, the hedging parent, the order of steps."""

import jax
import numpy as np
import pytest
from scipy.stats import norm
from scoring import Mixed, Pursuit, Rows, family, mixed, oracle_codes, orthonormal, sampled

from mpsae.saes.mp import MatchingPursuit
from mpsae.score import score
from mpsae.sources.dial import Dial
from synthetic.world import tree_world

NAMES = (
    "flat_mse", "flat_mse_siblings", "hier_mse", "cond_orth", "absorb_cos", "absorb_cos_codes",
    "absorb_cos_argmax",
    "absorb_cos_excess", "absorb_cos_own", "children_own", "absorb_fire", "absorb_mag", "absorb_full",
    "absorb_fraction", "split_count",
    "hedging",
    "path_order", "level_by_step", "gram", "cross_gram", "cross_gram_codes",
)  # fmt: skip
WORLD = family(orthonormal(5, 8))
X, Z = sampled(WORLD)


def pair(laws=((1.0, 0.0), (1.0, 0.0))):
    """One parent and its one child, orthonormal, with the given (mean, std)."""
    mean, std = np.array(laws).T
    return tree_world(
        atoms=orthonormal(2, 4), parent=[-1, 0], given=[0.9, 0.5], draw=[0, 1], mean=mean, std=std
    )  # fmt: skip


def correlated(c=0.4):
    """Siblings at cosine c, orthogonal to their parent and to the rest."""
    factor = np.linalg.cholesky([[1, c], [c, 1]])
    atoms = orthonormal(5, 8)
    atoms[1:3] = factor @ atoms[1:3]
    return family(atoms)


@pytest.mark.parametrize("world", [WORLD, correlated()])
def test_the_oracle_is_perfect(world):
    x, z = sampled(world)
    found = score(*oracle_codes(world), Rows(x, z, world), metrics=NAMES)
    zero = (
        "flat_mse",
        "hier_mse",
        "flat_mse_siblings",
        "absorb_cos",
        "absorb_fire",
        "absorb_mag",
        "absorb_full",
    )
    for name in (*zero, "absorb_cos_codes", "absorb_cos_excess", "absorb_fraction", "hedging"):
        assert found.value(name) == pytest.approx(0, abs=1e-6), name
    for name in ("absorb_cos", "absorb_fire", "absorb_full"):
        assert found.value(name, {"level": 1}) == pytest.approx(0, abs=1e-6), name
    assert found.value("split_count", {"t": 0.5}) == 1
    assert found.value("path_order") is None  # true codes have no order
    true = np.asarray(world.atoms, np.float64)
    for name in ("gram", "cross_gram", "cross_gram_codes"):
        assert found.matrices[name].array == pytest.approx(true @ true.T, abs=1e-6), name


def test_a_merged_child_under_matching_pursuit():
    world = pair()
    x, z = sampled(world)
    true = np.asarray(world.atoms)
    params = {"atoms": np.stack([true[0], (true[0] + true[1]) / np.sqrt(2)])}
    found = score(Pursuit(), params, Rows(x, z, world), metrics=NAMES)
    assert found.value("absorb_cos") == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert found.value("absorb_cos_codes") == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert found.value("absorb_cos_excess") == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert found.value("absorb_cos_own") == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert found.value("children_own") == 1
    for name in ("absorb_fire", "absorb_full", "absorb_fraction", "absorb_mag"):
        assert found.value(name) == pytest.approx(1, abs=1e-6), name
        assert found.value(name, {"level": 1}) == pytest.approx(1, abs=1e-6), name
    assert found.value("hier_mse") == pytest.approx(0.5, abs=1e-6) and found.value("flat_mse") is None


def test_partial_absorption_by_the_closed_form():
    """Parent code halved where the child is on, the child's atom leaning on the parent."""
    world = pair()
    x, z = sampled(world)
    true, lean = np.asarray(world.atoms), 0.6
    atoms = np.stack([true[0], lean * true[0] + 0.8 * true[1]])
    params = {"atoms": 2.0 * atoms, "mix": np.array([[0.5, 0.0], [-0.25, 0.5]])}  # non-unit atoms
    found = score(Mixed(), params, Rows(x, z, world), metrics=NAMES)
    assert found.value("absorb_mag") == pytest.approx(0.5, abs=1e-6)
    assert found.value("absorb_fire") == 0 and found.value("absorb_full") == 0
    # T = 1, M = .5, A = .6, A' = min(.6, .5): the fraction is .5 / (.5 + .5)
    assert found.value("absorb_fraction") == pytest.approx(0.5, abs=1e-6)


def test_a_child_mixed_into_its_parent_is_hedging():
    world, h = pair(), 0.3
    x, z = sampled(world)
    true = np.asarray(world.atoms)
    atoms = (true[:1] + h * true[1:]) / np.sqrt(1 + h * h)
    found = score(Mixed(), mixed(world, atoms=atoms, mix=[[1.0], [0]]), Rows(x, z, world), metrics=NAMES)
    assert found.value("hedging") == pytest.approx(h / np.sqrt(1 + h * h), abs=1e-6)
    rows = dict((name, value) for name, value in found.rows if not value.at)
    assert rows["absorb_cos"].value is None and rows["absorb_cos"].note == "1 of 1 children not recovered"


@pytest.mark.parametrize("mean, counted", [(0.1, 0), (0.5, 2)])
def test_the_rule_for_unrecovered_children(mean, counted):
    """A full merge at child mean .1 has C = .0995 and is left out; at .5 it has .447 and counts."""
    true = np.asarray(WORLD.atoms).copy()
    true[1:3] = (true[0] + mean * true[1:3]) / np.sqrt(1 + mean**2)
    found = score(Mixed(), mixed(WORLD, atoms=true), Rows(X, Z, WORLD), metrics=("absorb_cos",))
    value = found.rows[0][1]
    assert value.count == counted
    assert value.value == (None if not counted else pytest.approx(1 / np.sqrt(1 + mean**2), abs=1e-6))


def test_a_child_that_never_fires_with_its_latent_is_unrecovered():
    mix = np.eye(5)
    mix[1, 1] = 0.0
    value = score(Mixed(), mixed(WORLD, mix=mix), Rows(X, Z, WORLD), metrics=("absorb_cos",)).rows[0][1]
    assert value.count == 1 and value.note == "1 of 2 children not recovered"


def test_flat_and_hier_errors_against_float64():
    rng = np.random.default_rng(0)
    true = np.asarray(WORLD.atoms, np.float64)
    atoms = (true + 0.2 * rng.normal(size=true.shape)).astype(np.float32)
    found = score(Mixed(), mixed(WORLD, atoms=atoms), Rows(X, Z, WORLD), metrics=NAMES)
    unit = atoms.astype(np.float64) / np.linalg.norm(atoms.astype(np.float64), axis=1, keepdims=True)
    error = np.square(unit @ unit.T - true @ true.T)
    level, group = np.asarray(WORLD.level), np.asarray(WORLD.group)
    off, same = ~np.eye(5, dtype=bool), level[:, None] == level[None]
    siblings = same & (group[:, None] == group[None])
    assert found.value("flat_mse") == pytest.approx(error[off & same].mean())
    assert found.value("flat_mse_siblings") == pytest.approx(error[off & siblings].mean())
    assert found.value("hier_mse") == pytest.approx(error[~same].mean())
    size = np.abs(unit @ unit.T)
    assert found.value("cond_orth") == pytest.approx(size[~same].mean() / size[off & same].mean())


def test_flat_and_sibling_errors_disagree_where_groups_differ():
    world = tree_world(
        atoms=orthonormal(6, 8), parent=[-1, -1, 0, 0, 1, 1], given=[0.5] * 6, draw=[0, 1, 2, 2, 3, 3],
        mean=np.ones(6), std=np.full(6, 0.2),
    )  # fmt: skip
    x, z = sampled(world)
    atoms = np.asarray(world.atoms).copy()
    atoms[4] += 0.3 * atoms[2]  # cousins
    found = score(Mixed(), mixed(world, atoms=atoms), Rows(x, z, world), metrics=NAMES)
    assert found.value("flat_mse_siblings") == pytest.approx(0, abs=1e-12) and found.value("flat_mse") > 1e-3


def test_conditionally_orthogonal_atoms():
    world = correlated()
    x, z = sampled(world)
    found = score(*oracle_codes(world), Rows(x, z, world), metrics=("cond_orth",))
    assert found.value("cond_orth") == pytest.approx(0, abs=1e-6)
    plain = score(*oracle_codes(pair()), Rows(*sampled(pair()), pair()), metrics=("cond_orth",))
    assert plain.value("cond_orth") is None  # one level has no pairs: 0/0


def test_split_features_are_counted():
    true = np.asarray(WORLD.atoms)
    extra = true[3:4] + 0.4 * true[4:5]
    found = score(
        Mixed(), mixed(WORLD, atoms=np.concatenate([true, extra]), mix=np.eye(5, 6)), Rows(X, Z, WORLD),
        metrics=("split_count",),
    )  # fmt: skip
    assert found.value("split_count", {"t": 0.5}) == pytest.approx(6 / 5)


@pytest.mark.parametrize("child", [(1.0, 0.25), (0.5, 0.125)])
def test_path_order_by_the_normal_law(child):
    world = pair(((1.0, 0.25), child))
    x, z = (np.asarray(part) for part in world.sample(jax.random.key(0), 20000))
    params = {"atoms": np.asarray(world.atoms)}
    found = score(Pursuit(), params, Rows(x, z, world), metrics=("path_order", "level_by_step"))
    gap = (1.0 - child[0]) / np.hypot(0.25, child[1])
    assert found.value("path_order") == pytest.approx(norm.cdf(gap), abs=0.015)  # .5 and .963
    both = (z > 0).all(1)
    late = (both & (z[:, 1] > z[:, 0])).sum() + ((z[:, 1] > 0) & (z[:, 0] <= 0)).sum()
    assert found.value("level_by_step", {"step": 1}) == pytest.approx(late / (z > 0).any(1).sum(), abs=1e-3)


def test_a_flat_world_has_no_hierarchy():
    world = family(orthonormal(3, 4), parent=(-1, -1, -1))
    found = score(*oracle_codes(world), Rows(*sampled(world), world), metrics=NAMES)
    rows = {name: value for name, value in found.rows}
    for name in ("absorb_cos", "absorb_fire", "absorb_full", "hier_mse"):
        assert rows[name].value is None and rows[name].note, name


def test_absorption_matchings_disagree_where_atoms_and_codes_do():
    """Codes of the two children swapped: the cosine matching and the code matching part ways."""
    true = np.asarray(WORLD.atoms).copy()
    true[1] = (true[1] + 0.5 * true[0]) / np.sqrt(1.25)
    true[2] = (true[2] + 0.3 * true[1] + 0.1 * true[0]) / np.linalg.norm(
        true[2] + 0.3 * true[1] + 0.1 * true[0]
    )
    mix = np.eye(5)[:, [0, 2, 1, 3, 4]]
    found = score(Mixed(), mixed(WORLD, atoms=true, mix=mix), Rows(X, Z, WORLD), metrics=NAMES)
    assert found.value("absorb_cos_codes") != found.value("absorb_cos")


def test_a_dictionary_that_found_nothing_is_not_free_of_absorption():
    """What `absorb_cos_excess` takes for recovered in a large random dictionary has no latent of its own."""
    world = Dial(dim=64, held_out=1000).build(0)
    rng = np.random.default_rng(0)
    random = rng.normal(size=(320, 64))
    truth = np.asarray(world.truth.atoms)
    names = ["absorb_cos_excess", "absorb_cos_own", "children_own"]
    scores = [
        score(MatchingPursuit(k=6, bias="none"), {"atoms": np.float32(atoms)}, world, metrics=names)
        for atoms in (random, truth)
    ]
    assert abs(scores[0].value("absorb_cos_excess")) < 0.1
    assert scores[0].value("children_own") < 0.02 and scores[1].value("children_own") == 1
    assert scores[1].value("absorb_cos_own") == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("a", [0.0, 0.6])
@pytest.mark.parametrize("share", [0.4, 0.6])
def test_a_child_has_a_latent_of_its_own_by_the_energy_in_the_plane_of_it_and_its_parent(a, share):
    """The latent is √share in the plane, halfway between child and parent, and √(1 - share) outside it."""
    atoms = np.array([[1.0, 0, 0], [a, np.sqrt(1 - a**2), 0]])
    world = tree_world(
        atoms=atoms, parent=[-1, 0], given=[0.9, 0.5], draw=[0, 1], mean=np.ones(2), std=np.zeros(2)
    )
    half = (atoms[0] + atoms[1]) / np.linalg.norm(atoms[0] + atoms[1])
    latent = np.sqrt(share) * half + np.sqrt(1 - share) * np.array([0.0, 0, 1])
    x, z = sampled(world)
    params = mixed(world, atoms=np.stack([atoms[0], latent]))
    found = score(Mixed(), params, Rows(x, z, world), metrics=["absorb_cos_own", "children_own"])
    assert found.value("children_own") == (share > 0.5)
    expected = np.sqrt(share) * np.sqrt((1 + a) / 2) - a if share > 0.5 else None
    assert found.value("absorb_cos_own") == (expected and pytest.approx(expected, abs=1e-6))
