"""SynthSAEBench worlds: samples against their truth, the truth against the published recipe."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from synthetic.forest import Forest
from synthetic.ssb import firing, marginals, moments, ssb
from synthetic.ssb_recipe import Recipe

SMALL = Recipe().scaled(16)  # 1024 features, 48 dimensions
# Few and frequent features with strong common causes: pairs are seen often enough to be tested.
DENSE = Recipe(features=40, dim=12, roots=3, branching=3, depth=2, low_prob=0.02, rank=3, loading=0.4)
N, MANY = 4096, 50_000


@pytest.fixture(scope="module")
def small():
    """(world, x, z) of the recipe 16 times smaller."""
    world = ssb(jax.random.key(0), SMALL)
    return world, *map(np.asarray, draw(world, jax.random.key(1), N))


@pytest.fixture(scope="module")
def dense():
    """(world, x, z) of `DENSE`."""
    world = ssb(jax.random.key(0), DENSE)
    return world, *map(np.asarray, draw(world, jax.random.key(1), MANY))


draw = jax.jit(lambda world, key, n: world.sample(key, n), static_argnums=2)


def law_of(recipe, seed=0, points=256):
    """(marginals, recipe) without the directions, which they do not depend on."""
    law = firing(*jax.random.split(jax.random.key(seed)), recipe)
    return marginals(recipe.forest, **law, points=points)


def test_the_16k_recipe_has_the_published_l0():
    recipe = Recipe()
    prob = law_of(recipe)
    assert abs(prob.sum() - 34.4) < 0.5  # the paper says about 34
    assert abs(prob[:4096].sum() - 25.1) < 0.5  # about 25
    found = [prob[span].sum() for span in recipe.forest.spans] + [prob[recipe.forest.size :].sum()]
    np.testing.assert_allclose(found, [8.2, 7.3, 7.3, 7.1, 4.5], atol=0.15)


@pytest.mark.parametrize(
    ("s", "rule", "l0", "first"),
    [
        (2, "fixed_interference", 17.1, 12.4),
        (4, "fixed_interference", 8.5, 6.2),
        (8, "fixed_interference", 4.0, 2.9),
        (4, "fixed_probability", 16.0, None),
        (8, "fixed_probability", 11.0, None),
        (16, "fixed_probability", 7.1, None),
    ],
)
def test_smaller_recipes_have_the_stated_l0(s, rule, l0, first):
    recipe = Recipe().scaled(s, rule=rule)
    prob = law_of(recipe)
    assert prob.sum() == pytest.approx(l0, rel=0.05)  # the loadings differ from world to world
    assert first is None or prob[: recipe.features // 4].sum() == pytest.approx(first, rel=0.05)


def test_without_common_causes_marginals_are_plain_products():
    recipe = dataclasses.replace(DENSE, loading=0.0, spread=0.0, spread_std=0.0)
    gate = recipe.forest.compensated(recipe.base_prob)
    np.testing.assert_allclose(law_of(recipe, points=2), recipe.forest.settled(gate[None])[0], rtol=1e-9)


@pytest.mark.parametrize("which", ["small", "dense"])
def test_firing_rates_and_l0_are_those_of_the_truth(which, request):
    world, _, z = request.getfixturevalue(which)
    on, prob = z > 0, np.asarray(world.prob, np.float64)
    deviation = (on.mean(0) - prob) / np.sqrt(prob * (1 - prob) / len(on))
    often = prob * len(on) > 25  # below, a count is not normal
    assert often.sum() > 30 and np.abs(deviation[often]).max() < 4
    assert abs(np.square(deviation).mean() - 1) < 4 * np.sqrt(2 / len(prob)) + 0.1  # rare ones are skew
    l0 = on.sum(1)
    assert float(world.true_l0) == pytest.approx(prob.sum(), rel=1e-6)
    assert abs(l0.mean() - prob.sum()) < 4 * l0.std() / np.sqrt(len(l0))


def test_marginals_below_the_top_need_the_common_causes(dense):
    """What the correlation of parent and child adds is far beyond the error of the samples."""
    world, _, z = dense
    apart = law_of(dataclasses.replace(DENSE, loading=0.0, spread=0.0, spread_std=0.0), points=2)
    rate = (z > 0).mean(0)
    below = slice(DENSE.roots, DENSE.forest.size)
    error = np.sqrt(rate * (1 - rate) / len(z))
    assert (np.abs(rate - apart) / error)[below].max() > 10
    law = {name: np.asarray(getattr(world, name), np.float64) for name in ("factor", "own", "threshold")}
    law |= {name: np.asarray(getattr(world, name), np.float64) for name in ("size_mean", "size_std")}
    fine = marginals(world.forest, **law, points=2**15)
    np.testing.assert_allclose(world.prob, fine, rtol=0.01)


def test_gates_have_the_correlations_of_their_loadings(dense):
    world, _, z = dense
    on, factor = z > 0, np.asarray(world.factor, np.float64)
    tops = np.flatnonzero(np.asarray(world.parent) < 0)[:10]
    threshold = np.asarray(world.threshold, np.float64)
    positive = np.asarray(world.prob, np.float64) / scipy.stats.norm.sf(threshold)
    far = 0
    for i, a in enumerate(tops):
        for b in tops[i + 1 :]:
            correlation = factor[a] @ factor[b]
            law = scipy.stats.multivariate_normal(cov=[[1, correlation], [correlation, 1]])
            both = law.cdf(-threshold[[a, b]]) * positive[a] * positive[b]
            error = np.sqrt(both * (1 - both) / len(on))
            assert abs((on[:, a] & on[:, b]).mean() - both) < 4 * error, (a, b)
            far += abs(both - float(world.prob[a]) * float(world.prob[b])) > 8 * error
    assert far >= 4  # of 6 pairs


def test_loadings_leave_each_gate_a_variance_of_its_own():
    law = firing(*jax.random.split(jax.random.key(3)), dataclasses.replace(SMALL, loading=0.21))
    length = np.linalg.norm(law["factor"], axis=1)
    np.testing.assert_allclose(length**2 + law["own"] ** 2, 1, rtol=1e-12)
    assert 0.2 < (law["own"] ** 2 < 0.0101).mean() < 0.8 and (law["own"] ** 2).min() > 0.00999
    plain = firing(*jax.random.split(jax.random.key(3)), SMALL)["factor"]
    assert abs(plain.std() - 0.1) < 4 * 0.1 / np.sqrt(2 * plain.size)


def test_gating_exclusion_and_truth_are_exact(small):
    world, _, z = small
    parent, forest = np.asarray(world.parent), world.forest
    on = z > 0
    assert not (on[:, parent >= 0] & ~on[:, parent[parent >= 0]]).any()
    children = on[:, forest.roots : forest.size].reshape(N, -1, forest.branching)
    assert children.sum(2).max() == 1
    assert z.min() == 0
    np.testing.assert_array_equal(world.group, parent)
    assert np.bincount(np.asarray(world.level)).tolist() == [8 + 344, 32, 128, 512]
    # roots and lone features do meet
    assert (on[:, 0] & on[:, 1]).any() and (on[:, 0] & on[:, forest.size :].any(1)).any()


def test_features_fire_together_as_in_the_published_recipe(dense):
    """Every pair, of rows drawn here as the paper says: all gates, all sizes, then level by level."""
    world, _, z = dense
    rng, names = np.random.default_rng(0), ("factor", "own", "threshold", "size_mean", "size_std")
    factor, own, threshold, mean, std = (np.asarray(getattr(world, name), np.float64) for name in names)
    noise, sizes = rng.standard_normal((2, MANY, DENSE.features))
    gate = rng.standard_normal((MANY, DENSE.rank)) @ factor.T + own * noise
    values = np.where(gate > threshold, np.maximum(mean + std * sizes, 0), 0)
    for above in range(DENSE.forest.inner):
        below = np.asarray(world.parent) == above
        children = values[:, below] * values[:, [above]] / mean[above]
        score = rng.random(children.shape) * (children > 0)
        values[:, below] = np.where(score == score.max(1, keepdims=True), children, 0)
    pairs = np.triu_indices(DENSE.features)
    ours, theirs = ((on.T @ on)[pairs] for on in ((z > 0).astype(float), (values > 0).astype(float)))
    often = ours + theirs > 50
    deviation = ((ours - theirs) / np.sqrt(np.maximum(ours + theirs, 1)))[often]
    assert often.sum() > 500 and np.abs(deviation).max() < 4.5
    assert abs(np.square(deviation).mean() - 1) < 0.25


def test_sizes_of_the_rarest_features_are_normal_numbers_above_zero(small):
    world, _, z = small
    rare = np.arange(SMALL.forest.size, SMALL.features)
    row, which = np.nonzero(z[:, rare])
    node = rare[which]
    mean, std = np.asarray(world.size_mean)[node], np.asarray(world.size_std)[node]
    assert len(row) > 1000 and float(world.prob[rare].max()) < 0.003
    assert scipy.stats.kstest(truncated(mean, std).cdf(z[row, node]), "uniform").pvalue > 1e-3


def test_coefficients_have_the_stated_mean_and_variation(dense):
    world, _, z = dense
    for node in range(DENSE.features):
        active = z[z[:, node] > 0, node].astype(np.float64)
        mean, cv = float(world.mean[node]), float(world.cv[node])
        error = active.std() / np.sqrt(len(active))
        assert abs(active.mean() - mean) < 4 * error, node
        square = np.square(active - mean)
        assert abs(square.mean() - (mean * cv) ** 2) < 4 * square.std() / np.sqrt(len(active)), node


def test_a_childs_own_size_does_not_depend_on_its_parent(dense):
    world, _, z = dense
    for child in range(DENSE.roots, DENSE.forest.size, 5):
        above = int(world.parent[child])
        on = z[:, child] > 0
        ratio = z[on, above].astype(np.float64) / float(world.size_mean[above])
        own = z[on, child] / ratio
        law = truncated(float(world.size_mean[child]), float(world.size_std[child]))
        assert scipy.stats.kstest(own, law.cdf).pvalue > 1e-4, child
        assert abs(np.corrcoef(own, ratio)[0, 1]) < 4 / np.sqrt(on.sum())
        assert np.corrcoef(z[on, child], z[on, above])[0, 1] > 0 or float(world.size_std[above]) < 0.1


def truncated(mean, std):
    return scipy.stats.truncnorm(-mean / std, np.inf, mean, std)


def test_moments_are_those_of_normal_numbers_above_zero():
    mean, std = np.array([5.0, 1.0, 4.0, 2.0]), np.array([0.5, 2.0, 0.0, 1.0])
    laws = [truncated(5, 0.5), truncated(1, 2), scipy.stats.uniform(4, 0), truncated(2, 1)]
    first, cv = moments(Forest(4, 1, 0), mean, std)
    np.testing.assert_allclose(first, [laws[0].mean(), laws[1].mean(), 4, laws[3].mean()], rtol=1e-7)
    np.testing.assert_allclose(
        cv * first, [laws[0].std(), laws[1].std(), 0, laws[3].std()], rtol=1e-6, atol=1e-9
    )
    chained, _ = moments(Forest(1, 1, 1), mean[1:3], std[1:3])
    assert chained[1] == pytest.approx(4 * laws[1].mean() / 1.0)


def test_spreads_are_folded_normal():
    spread = firing(*jax.random.split(jax.random.key(5)), Recipe().scaled(2))["size_std"]
    law = scipy.stats.foldnorm(1, scale=0.5)
    assert spread.min() >= 0 and scipy.stats.kstest(spread, law.cdf).pvalue > 0.01


def test_x_is_codes_times_atoms_and_an_offset(small):
    world, x, z = small
    offset = np.asarray(world.offset, np.float64)
    assert np.linalg.norm(offset) == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(x, z.astype(np.float64) @ np.asarray(world.atoms) + offset, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(world.atoms, axis=1), 1, atol=1e-6)


def test_rows_depend_on_key_and_number_alone(dense):
    world, x, z = dense
    rows = jax.jit(lambda world, key, n: world.rows(key, n), static_argnums=2)
    again = draw(world, jax.random.key(1), MANY)
    assert all(np.asarray(a).tobytes() == b.tobytes() for a, b in zip(again, (x, z), strict=True))
    for n in (1, 64, 77):
        assert np.asarray(rows(world, jax.random.key(1), n)).tobytes() == x[:n].tobytes()
    assert np.asarray(draw(world, jax.random.key(1), 77)[1]).tobytes() == z[:77].tobytes()
    # Rows without any feature are all equal: the offset.
    other = set(map(bytes, np.asarray(rows(world, jax.random.key(2), 77))))
    assert other and not other & set(map(bytes, x[:77][z[:77].any(1)]))


def test_rows_do_not_depend_on_how_many_are_drawn_at_a_time(dense, monkeypatch):
    world, _, z = dense
    monkeypatch.setattr("synthetic.ssb.ROWS", {})  # as on a GPU
    wide = jax.jit(lambda world, key: world.sample(key, 100)[1])(world, jax.random.key(1))
    np.testing.assert_allclose(wide, z[:100], atol=1e-5)


def test_a_stack_of_worlds_equals_each_world_alone(dense):
    worlds = [dense[0], ssb(jax.random.key(7), dataclasses.replace(DENSE, loading=0.1, offset=0.0))]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *worlds)
    keys = jax.random.split(jax.random.key(8), 2)
    mapped = jax.jit(jax.vmap(lambda world, key: world.sample(key, 77)))(stack, keys)
    for i, world in enumerate(worlds):
        for many, one in zip(mapped, draw(world, keys[i], 77), strict=True):
            np.testing.assert_allclose(many[i], one, atol=1e-5)


@pytest.mark.parametrize("trees", [{"roots": 0}, {"depth": 0}])
def test_a_world_without_trees_is_of_independent_features(trees):
    world = ssb(jax.random.key(0), dataclasses.replace(DENSE, **trees, apart_steps=0))
    _, z = draw(world, jax.random.key(1), 77)
    assert np.all(np.asarray(world.parent) == -1) and world.forest.inner == 0
    expected = DENSE.base_prob * scipy.stats.norm.cdf(world.size_mean / world.size_std)
    np.testing.assert_allclose(world.prob, expected, rtol=1e-5)
    assert z.shape == (77, 40) and np.asarray(z).any()


def test_a_batch_of_16k_features_needs_blocks_only():
    """Its codes alone would be 128 MiB, and the gates, sizes and random bits as much again each."""
    tiny = ssb(jax.random.key(0), dataclasses.replace(DENSE, rank=25, apart_steps=0))
    shapes = {"atoms": (16384, 768), "factor": (16384, 25), "offset": (768,), "true_l0": ()}
    leaves = {
        field.name: jax.ShapeDtypeStruct(shapes.get(field.name, (16384,)), getattr(tiny, field.name).dtype)
        for field in dataclasses.fields(tiny)
        if field.name != "forest"
    }
    world = tiny.replace(forest=Forest(128, 4, 3), **leaves)
    program = jax.jit(lambda world, key: world.rows(key, 2048)).lower(world, jax.random.key(0)).compile()
    assert program.memory_analysis().temp_size_in_bytes < 2**24
