"""Samples of a world against its own truth, and worlds under jit and vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synthetic.trees import toy_matryoshka, tree20
from synthetic.world import tree_world

DEEP = {  # three levels, two exclusive tops that are not exhaustive, one independent top
    "parent": (-1, 0, 1, 1, 0, -1, -1),
    "given": (0.5, 0.6, 0.3, 0.7, 0.4, 0.2, 0.25),
    "draw": (0, 1, 2, 2, 1, 0, 3),
}


def deep(**laws):
    given = {"atoms": np.eye(7, 9), "mean": np.ones(7), "std": np.full(7, 0.5)} | DEEP | laws
    return tree_world(**given)


def test_marginals_are_products_along_the_path_and_met_by_samples():
    world = deep(std=np.full(7, 1e-3))
    expected = np.array([0.5, 0.3, 0.09, 0.21, 0.2, 0.2, 0.25])
    np.testing.assert_allclose(world.prob, expected, rtol=1e-6)
    assert float(world.true_l0) == pytest.approx(expected.sum())
    n = 100_000
    on = np.asarray(world.sample(jax.random.key(1), n)[1]) > 0
    error = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(on.mean(0) - expected) < 4 * error).all()


def test_gates_and_exclusion_are_exact_at_every_level():
    world = deep(std=np.zeros(7))
    on = np.asarray(world.sample(jax.random.key(2), 20_000)[1]) > 0
    parent, draw = np.asarray(world.parent), np.asarray(world.draw)
    for node in np.flatnonzero(parent >= 0):
        assert not (on[:, node] & ~on[:, parent[node]]).any()
    for shared in range(world.draws):
        assert on[:, draw == shared].sum(1).max() <= 1
    # children 2 and 3 fill their interval completely: one of them is always on below node 1
    assert (on[:, 2] | on[:, 3] == on[:, 1]).all()
    # the independent top does meet the others: P = .25 · .5
    assert abs((on[:, 6] & on[:, 0]).mean() - 0.125) < 0.01


def test_levels_groups_and_depth():
    world = deep()
    assert world.level.tolist() == [0, 1, 2, 2, 1, 0, 0]
    assert world.group.tolist() == [0, 1, 2, 2, 1, 0, 0]
    assert (world.depth, world.draws) == (3, 4)


def test_prob_counts_the_draws_clipped_at_zero():
    world = tree_world(
        atoms=np.eye(2), parent=[-1, -1], given=[1, 1], draw=[0, 1], mean=[1, 0.0], std=[0.5, 0]
    )
    np.testing.assert_allclose(world.prob, [0.97724987, 0.0], rtol=1e-6)  # Φ(2), and never
    codes = np.asarray(world.sample(jax.random.key(0), 100_000)[1])
    assert codes.min() == 0
    assert abs((codes[:, 0] > 0).mean() - 0.97725) < 4 * np.sqrt(0.97725 * 0.02275 / 1e5)


def test_coefficients_have_the_stated_mean_and_standard_deviation():
    world = tree20(jax.random.key(0), child_mean=1.0, child_std=0.025)
    codes = np.asarray(world.sample(jax.random.key(1), 100_000)[1])
    for node, (mean, std) in {0: (1.5, 0.25), 1: (1.0, 0.025), 19: (1.5, 0.25)}.items():
        active = codes[codes[:, node] > 0, node]
        assert abs(active.mean() - mean) < 4 * std / np.sqrt(len(active))
        assert abs(active.std() - std) < 4 * std / np.sqrt(2 * len(active))


def test_parent_and_child_coefficients_are_independent():
    codes = np.asarray(tree20(jax.random.key(0)).sample(jax.random.key(1), 100_000)[1])
    both = codes[(codes[:, 0] > 0) & (codes[:, 1] > 0)]
    assert abs(np.corrcoef(both[:, 0], both[:, 1])[0, 1]) < 4 / np.sqrt(len(both))


@pytest.mark.parametrize(
    "world", [tree20(jax.random.key(0), correlation=0.6), toy_matryoshka(jax.random.key(0))]
)
def test_x_is_exactly_codes_times_atoms(world):
    x, z = world.sample(jax.random.key(3), 500)
    np.testing.assert_array_equal(x, jnp.matmul(z, world.atoms, precision="highest"))
    np.testing.assert_allclose(x, np.asarray(z, np.float64) @ np.asarray(world.atoms, np.float64), atol=1e-6)


def test_offset_and_noise_are_what_remains():
    world = deep(offset=np.arange(9.0), noise_std=0.3)
    x, z = world.sample(jax.random.key(4), 20_000)
    rest = np.asarray(x) - np.asarray(z) @ np.asarray(world.atoms) - np.arange(9.0)
    assert abs(rest.mean()) < 4 * 0.3 / np.sqrt(rest.size)
    assert abs(rest.std() - 0.3) < 4 * 0.3 / np.sqrt(2 * rest.size)


def test_same_key_same_bytes_and_other_key_disjoint():
    world, draw = tree20(jax.random.key(0)), jax.jit(lambda world, key: world.sample(key, 300))
    first, again = draw(world, jax.random.key(5)), draw(world, jax.random.key(5))
    assert all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(first, again, strict=True))
    other = draw(world, jax.random.key(6))
    assert not set(map(bytes, np.asarray(first[0]))) & set(map(bytes, np.asarray(other[0])))


def test_a_stack_of_worlds_equals_each_world_alone():
    worlds = [
        tree20(jax.random.key(1)),
        tree20(jax.random.key(2), correlation=0.6),
        tree20(jax.random.key(3), correlation=-0.05, mean=1.0, child_mean=0.1, child_std=1 / 400),
    ]
    keys = jax.random.split(jax.random.key(7), 3)
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *worlds)
    mapped = jax.jit(jax.vmap(lambda world, key: world.sample(key, 100)))(stack, keys)
    looped = jax.jit(lambda pairs: jax.lax.map(lambda pair: pair[0].sample(pair[1], 100), pairs))(
        (stack, keys)
    )
    for i, world in enumerate(worlds):
        x, z = world.sample(keys[i], 100)
        for many_x, many_z in (mapped, looped):
            np.testing.assert_allclose(many_z[i], z, atol=1e-6)
            np.testing.assert_allclose(many_x[i], x, atol=1e-5)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"parent": (-1, 0, 1, 1, 0, -1, 6)}, ["parent", "earlier node"]),
        ({"parent": (-1, -2, 1, 1, 0, -1, -1)}, ["parent", "-1"]),
        ({"given": (0.5, 0.6, 1.3, 0.7, 0.4, 0.2, 0.25)}, ["given[2] = 1.3", "[0, 1]"]),
        ({"given": (0.5, 0.6, 0.4, 0.7, 0.4, 0.2, 0.25)}, ["[2, 3]", "at most 1"]),
        ({"draw": (0, 1, 2, 2, 1, 1, 3)}, ["draw", "siblings"]),
        ({"std": np.full(7, -1.0)}, ["std[0] = -1", "at least 0"]),
        ({"mean": np.ones(6)}, ["mean", "one per node, 7"]),
    ],
)
def test_a_malformed_tree_is_refused(bad, words):
    with pytest.raises(ValueError) as error:
        deep(**bad)
    assert all(word in str(error.value) for word in words), str(error.value)
