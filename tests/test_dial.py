"""Worlds of clans: what was asked for is what samples and atoms show, and each dial moves its own part."""

import dataclasses

import jax
import numpy as np
import pytest

from synthetic.clan_gram import achieved, clan_gram
from synthetic.clan_trees import clan_tree
from synthetic.dial import Dials, dial
from synthetic.trees import PARENT, tree20

N = 10_000
SMALL = {"dim": 40, "clans": 4}  # 80 features, twice as many as dimensions
DEEP = {"tree": "3x2x2", "clans": 3, "dim": 24}  # 21 nodes per clan, three levels
FIRING = [
    SMALL,
    SMALL | {"hierarchy": 0.0},
    SMALL | {"hierarchy": 0.5, "zipf": 0.5, "kappa": 0.0},
    SMALL | {"siblings": "independent", "skew": 1.0, "law": "gamma", "kappa": 0.5},
    DEEP | {"coupling": "parent", "kappa": 0.25, "shared_kappa": 0.2, "branch": 0.9, "rate": 0.6},
    DEEP | {"siblings": "independent", "hierarchy": 0.5, "coupling": "parent", "level_ratio": 0.5},
    {"tree": "1", "clans": 30, "dim": 10, "zipf": 0.5, "rate": 0.1},
]


def make(seed=0, **fields):
    return dial(jax.random.key(seed), Dials(**(SMALL | fields)))


def drawn(world, n=N, seed=1):
    return tuple(
        np.asarray(part) for part in jax.jit(world.sample, static_argnums=1)(jax.random.key(seed), n)
    )


def by_clan(world, rows):
    return rows.reshape(len(rows), world.clans, -1)


def products(parts):
    """Sum over samples of z_i z_j inside each clan."""
    return parts.transpose(1, 2, 0) @ parts.transpose(1, 0, 2)


@pytest.mark.parametrize("fields", FIRING)
def test_marginals_and_moments_are_those_of_samples(fields):
    world = dial(jax.random.key(0), Dials(**fields))
    _, z = drawn(world)
    on, prob = z > 0, np.asarray(world.prob, np.float64)
    # One count more than 4 standard errors: rare nodes are skewed.
    assert (np.abs(on.mean(0) - prob) < 4 * np.sqrt(prob * (1 - prob) / N) + 1 / N).all()
    l0 = on.sum(1)
    assert abs(l0.mean() - float(world.true_l0)) < 4 * l0.std() / np.sqrt(N)
    parts = by_clan(world, z).astype(np.float64)
    pairs, largest = products(parts) / N, float(z.max()) ** 2
    # Some pairs are expected once: a count of λ is within 4 √λ + 5.
    error = 4 * np.sqrt(np.asarray(world.second) * largest / N) + 5 * largest / N
    assert (np.abs(pairs - world.second) < error).all()
    assert ((pairs == 0) | (np.asarray(world.second) > 0)).all()  # what cannot fire together does not
    for node in (0, len(prob) - 1):
        values = z[on[:, node], node]
        count, cv = len(values), float(world.cv[node])
        assert abs(values.mean() / float(world.mean[node]) - 1) < 4 * cv / np.sqrt(count) + 1e-6
        assert values.std() / values.mean() == pytest.approx(cv, abs=5 * cv / np.sqrt(count) + 1e-6)


@pytest.mark.parametrize(("tree", "branch"), [("paper", 0.6), ("3x2x2", 0.9)])
def test_gates_and_exclusion_are_exact(tree, branch):
    world = make(tree=tree, branch=branch, rate=0.5, kappa=0.1)
    _, z = drawn(world, 10_000)
    on, parent, group = z > 0, np.asarray(world.parent), np.asarray(world.group)
    children = np.flatnonzero(parent >= 0)
    assert on[:, children].any() and not (on[:, children] & ~on[:, parent[children]]).any()
    assert max(on[:, group == one].sum(1).max() for one in np.unique(group)) == 1
    clan_on = by_clan(world, on).any(2)
    assert abs(clan_on.mean() - 0.5) < 4 * 0.5 / np.sqrt(clan_on.size)
    # clans are independent of each other
    assert abs((clan_on[:, 0] & clan_on[:, 1]).mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 10_000)


@pytest.mark.parametrize("hierarchy", [0.0, 0.5])
def test_without_hierarchy_a_child_says_less_of_its_parent(hierarchy):
    world = make(hierarchy=hierarchy, rate=0.5)
    full = make(rate=0.5)
    np.testing.assert_array_equal(world.prob, full.prob)
    on = drawn(world)[1] > 0
    child = np.flatnonzero(np.asarray(world.parent) >= 0)
    parents = on[:, np.asarray(world.parent)[child]][on[:, child]]
    expected = hierarchy + (1 - hierarchy) * 0.5 * 0.2
    assert abs(parents.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / len(parents))


def test_shared_and_own_variance_of_magnitudes():
    both = {name: [] for name in ("own", "shared", "coupled")}
    dials = {"own": {}, "shared": {"kappa": 0.0, "shared_kappa": 0.2}, "coupled": {"coupling": "parent"}}
    for name, fields in dials.items():
        world = make(rate=1.0, clans=1, dim=20, **fields)
        _, z = drawn(world)
        both[name] = z[z[:, 1] > 0][:, :2]
    ratio = {name: pair[:, 1] / pair[:, 0] for name, pair in both.items()}
    np.testing.assert_allclose(ratio["shared"], 1, atol=1e-6)
    assert both["shared"].std() / 1.5 == pytest.approx(0.2, rel=0.1)
    assert ratio["own"].std() > 0.2  # about √2 / 6
    np.testing.assert_allclose(ratio["coupled"].std(), 1 / 6, rtol=0.1)
    corr = {name: np.corrcoef(pair.T)[0, 1] for name, pair in both.items()}
    assert abs(corr["own"]) < 0.1 and corr["coupled"] > 0.6 and corr["shared"] > 0.999
    world = make(law="gamma", kappa=0.5, shared_kappa=0.3, coupling="parent")
    cv = np.sqrt((1 + 0.25) ** (np.asarray(world.level) + 1) * (1 + 0.09) - 1)
    np.testing.assert_allclose(world.cv, cv, rtol=1e-6)


@pytest.mark.parametrize(("correlation", "parent_cosine"), [(-0.05, 0.9), (0.3, 0.0), (0.9, 0.5)])
@pytest.mark.parametrize("link", ["aligned", "shuffled", "off"])
def test_gram_is_the_one_asked_for(correlation, parent_cosine, link):
    dials = Dials(**SMALL, correlation=correlation, parent_cosine=parent_cosine, link=link)
    world = dial(jax.random.key(2), dials)
    role = np.asarray(world.role).reshape(4, 20) - 20 * np.arange(4)[:, None]
    np.testing.assert_array_equal(np.sort(role, axis=1), np.tile(np.arange(20), (4, 1)))
    assert (link == "shuffled") == (role != np.arange(20)).any()
    grams = achieved(np.asarray(world.atoms).reshape(4, 20, 40))
    for found, own in zip(grams, role, strict=True):
        np.testing.assert_allclose(found, dials.gram[np.ix_(own, own)], atol=1e-5)


def test_cosines_are_the_closed_forms():
    a, c = 0.5, 0.3
    gram = clan_gram(Dials(tree="3x2x2").clan_tree, correlation=c, parent_cosine=a)
    np.testing.assert_allclose(np.diagonal(gram), 1)
    # nodes: tops 0-2, children of 0: 3 4, of 1: 5 6, of 2: 7 8, children of 3: 9 10, of 4: 11 12
    assert gram[0, 1] == pytest.approx(c)
    np.testing.assert_allclose([gram[3, 4], gram[9, 10]], a**2 + (1 - a**2) * c)
    assert gram[0, 3] == pytest.approx(a) and gram[0, 9] == pytest.approx(a**2)
    assert gram[1, 3] == pytest.approx(a * c)  # with the parent's sibling
    assert gram[3, 5] == pytest.approx(a**2 * c)  # cousins
    flat = clan_gram(Dials().clan_tree, correlation=c, parent_cosine=0.0)
    parent = np.asarray(PARENT)
    assert (flat[parent[:, None] != parent] == 0).all()


@pytest.mark.parametrize(("packing", "rms"), [("haar", 0.125), ("tight", 0.1155)])
def test_interference_between_clans_is_the_published_one(packing, rms):
    world = make(dim=64, clans=16, packing=packing, link="off")
    assert world.cross_rms == pytest.approx(rms, abs=1e-3 if packing == "haar" else 1e-4)
    atoms = np.asarray(world.atoms, np.float64)
    clan = np.asarray(world.clan)
    cross = (atoms @ atoms.T)[clan[:, None] != clan]
    assert world.cross_rms == pytest.approx(np.sqrt(np.square(cross).mean()), rel=1e-6)


@pytest.mark.parametrize("packing", ["haar", "tight"])
def test_clans_that_fit_do_not_interfere(packing):
    assert make(dim=80, packing=packing).cross_rms < 1e-6
    assert make(dim=20, clans=16, packing=packing).cross_rms == pytest.approx(1 / np.sqrt(20), rel=0.05)


GEOMETRY = {"correlation": 0.8, "parent_cosine": 0.5, "link": "shuffled", "packing": "tight", "dim": 33}
LAWS = {
    "hierarchy": 0.5,
    "rate": 0.1,
    "zipf": 0.5,
    "skew": 1.0,
    "branch": 0.3,
    "siblings": "independent",
    "law": "gamma",
    "kappa": 0.1,
    "shared_kappa": 0.1,
    "level_ratio": 0.5,
    "coupling": "parent",
    "noise": 0.1,
    "offset": 1.0,
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_a_dial_of_geometry_changes_no_firing(name):
    before, after = make(), make(**{name: GEOMETRY[name]})
    assert before.atoms.shape != after.atoms.shape or (before.atoms != after.atoms).any()
    for field in ("prob", "mean", "cv", "second", "true_l0"):
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field))
    np.testing.assert_array_equal(*(world.sample(jax.random.key(1), 300)[1] for world in (before, after)))


@pytest.mark.parametrize("name", LAWS)
def test_a_dial_of_firing_changes_no_direction(name):
    before, after = make(link="shuffled"), make(link="shuffled", **{name: LAWS[name]})
    np.testing.assert_array_equal(before.atoms, after.atoms)


def test_shuffled_directions_make_strangers_of_relatives():
    world = make(link="shuffled", clans=8)
    tree = Dials().clan_tree
    top = tree.level == 0
    below = tree.related * ~(top[:, None] & top)
    for role in np.asarray(world.role).reshape(8, 20) - 20 * np.arange(8)[:, None]:
        assert not (below * tree.related[np.ix_(role, role)]).any()


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_the_smallest_preset_is_the_tree_of_the_paper_in_moments(correlation):
    mine = make(dim=20, clans=1, rate=1.0, correlation=correlation)
    theirs = tree20(jax.random.key(5), correlation=correlation)
    for field in ("parent", "level", "group"):
        np.testing.assert_array_equal(getattr(mine, field), getattr(theirs, field))
    for field in ("prob", "mean", "true_l0"):
        np.testing.assert_allclose(getattr(mine, field), getattr(theirs, field), rtol=1e-6)
    atoms, other = (np.asarray(world.atoms, np.float64) for world in (mine, theirs))
    np.testing.assert_allclose(atoms @ atoms.T, other @ other.T, atol=1e-6)
    x, z = (part.astype(np.float64) for part in drawn(theirs))
    error = np.sqrt((z**2).T @ (z**2) / N / N)
    assert (np.abs(z.T @ z / N - mine.second[0]) < 5 * error + 1e-6).all()
    turn = np.linalg.solve(other, atoms)  # the same Gram: one basis is the other one turned
    np.testing.assert_allclose(turn @ turn.T, np.eye(20), atol=1e-5)
    rows = drawn(mine)[0].astype(np.float64)
    for one, two in [(rows, x @ turn), (rows**2, (x @ turn) ** 2)]:
        spread = np.sqrt((one.var(0) + two.var(0)) / N)
        assert (np.abs(one.mean(0) - two.mean(0)) < 5 * spread).all()


def test_noise_and_offset_are_shares_of_the_energy():
    world = make(noise=0.1, offset=0.5, parent_cosine=0.5, hierarchy=0.5, shared_kappa=0.2)
    x, z = (part.astype(np.float64) for part in drawn(world, 20_000))
    signal = z @ np.asarray(world.atoms, np.float64)
    energies = np.square(signal).sum(1)
    energy = 40 * float(world.noise_std) ** 2 / 0.1
    assert abs(energies.mean() - energy) < 4 * energies.std() / np.sqrt(len(x))
    assert np.linalg.norm(world.offset) == pytest.approx(0.5 * np.sqrt(energy), rel=1e-5)
    rest = x - signal - np.asarray(world.offset, np.float64)
    assert rest.std() == pytest.approx(float(world.noise_std), rel=4 / np.sqrt(2 * rest.size))
    clean = make()
    x, z = clean.sample(jax.random.key(0), 100)
    np.testing.assert_allclose(x, np.asarray(z) @ np.asarray(clean.atoms), atol=1e-5)


def test_the_same_key_gives_the_same_bytes_and_another_key_other_rows():
    world = make(hierarchy=0.5, noise=0.1)
    first, again, other = (drawn(world, 200, seed) for seed in (1, 1, 2))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again, strict=True))
    assert not set(map(bytes, first[0])) & set(map(bytes, other[0]))
    np.testing.assert_array_equal(make().atoms, make().atoms)
    assert (np.asarray(make(1).atoms) != np.asarray(make().atoms)).any()


def test_trees_of_any_depth_and_branching():
    tree = clan_tree("2x3x1", branch=0.5, skew=1.0, siblings="exclusive")
    assert tree.parent.tolist() == [-1, -1, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7]
    assert tree.level.tolist() == [0] * 2 + [1] * 6 + [2] * 6
    np.testing.assert_allclose(tree.given[:2], [2 / 3, 1 / 3])
    np.testing.assert_allclose(tree.given[2:5], 0.5 * np.array([6, 3, 2]) / 11)
    np.testing.assert_allclose(tree.given[8:], 0.5)
    assert tree.marginal.sum() == pytest.approx(1 + 0.5 + 0.25)
    paper = Dials().clan_tree
    np.testing.assert_array_equal(paper.parent, PARENT)
    np.testing.assert_allclose(paper.given, tree20_given(), atol=1e-15)
    assert clan_tree("1", branch=0.6, skew=0.0, siblings="exclusive").parent.tolist() == [-1]


def tree20_given():
    return [0.2 if above >= 0 or node in PARENT else 0.05 for node, above in enumerate(PARENT)]


BAD = {
    "narrow": ({"dim": 19}, ["dim = 19", "at least 20", "Gram"]),
    "dim 0": ({"tree": "1", "dim": 0}, ["dim = 0", "at least 1"]),
    "clans": ({"clans": 0}, ["clans = 0", "at least 1"]),
    "too negative": ({"correlation": -0.1}, ["correlation = -0.1", "between -0.1 and 1", "11 siblings"]),
    "parallel siblings": ({"correlation": 1.0}, ["correlation = 1.0", "between -0.1 and 1"]),
    "nan": ({"correlation": float("nan")}, ["correlation = nan"]),
    "nearly parallel": ({"correlation": 1 - 1e-9}, ["Gram matrix", "eigenvalue", "at least 1e-06"]),
    "parallel child": ({"parent_cosine": 1.0}, ["parent_cosine = 1.0", "below 1"]),
    "nearly parallel child": ({"parent_cosine": 1 - 1e-9}, ["Gram matrix", "parent_cosine = 0.99"]),
    "opposite child": ({"parent_cosine": -0.1}, ["parent_cosine = -0.1", "at least 0"]),
    "too imbalanced": ({"zipf": 2.0, "rate": 0.5}, ["zipf = 2.0", "rate = 0.5", "at most 1"]),
    "negative zipf": ({"zipf": -1.0}, ["zipf = -1.0", "at least 0"]),
    "rate": ({"rate": 0.0}, ["rate = 0.0", "above 0"]),
    "branch": ({"branch": 1.1}, ["branch = 1.1", "at most 1"]),
    "hierarchy": ({"hierarchy": 1.5}, ["hierarchy = 1.5", "0 to 1"]),
    "wide normal": ({"kappa": 1 / 3}, ["kappa = 0.33", "0.25", "gamma"]),
    "wide shared": ({"shared_kappa": 0.3}, ["shared_kappa = 0.3", "0.25", "gamma"]),
    "wide gamma": ({"law": "gamma", "kappa": 1.5}, ["kappa = 1.5", "0.001 to 1"]),
    "level ratio": ({"level_ratio": 0.0}, ["level_ratio = 0.0", "above 0"]),
    "noise": ({"noise": -0.1}, ["noise = -0.1", "at least 0"]),
    "link": ({"link": "on"}, ["link = 'on'", "aligned, shuffled, off"]),
    "packing": ({"packing": "loose"}, ["packing = 'loose'", "haar, tight"]),
    "law": ({"law": "beta"}, ["law = 'beta'", "normal, gamma"]),
    "tree": ({"tree": "binary"}, ["tree = 'binary'", "'paper'", "4x3x2"]),
    "empty level": ({"tree": "3x0"}, ["tree = '3x0'", "4x3x2"]),
    "huge tree": ({"tree": "9x99999x9"}, ["tree = '9x99999x9'", "at most 2000"]),
}


@pytest.mark.parametrize("case", BAD)
def test_dials_of_no_world_are_refused_in_one_sentence(case):
    fields, words = BAD[case]
    with pytest.raises(ValueError) as error:
        make(**fields)
    text = str(error.value)
    assert "\n" not in text and all(word in text for word in [*words, "must"]), text


def test_every_dial_is_tested_on_its_own_side():
    shape = {"clans", "tree"}  # how many features there are
    assert {field.name for field in dataclasses.fields(Dials)} == shape | set(GEOMETRY) | set(LAWS)
