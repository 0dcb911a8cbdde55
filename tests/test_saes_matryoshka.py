"""Matryoshka against its cut law and a loop over prefixes; the published toy presets."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sae_samples import DIM, KEY, WIDTH, as64, context, generic, preactivation, rows

from mpsae.optim import Optim
from mpsae.sae import Context
from mpsae.saes import batch_topk, matryoshka, relu
from mpsae.saes.matryoshka import Matryoshka
from mpsae.saes.relu import ReLU


def subset_chances(weights, size):
    """P of each set when drawing without replacement: the sum over orders of sequential draws."""
    chances = {}
    for order in itertools.permutations(range(len(weights)), size):
        left, chance = sum(weights), 1.0
        for i in order:
            chance, left = chance * weights[i] / left, left - weights[i]
        chances[tuple(sorted(order))] = chances.get(tuple(sorted(order)), 0.0) + chance
    return chances


def test_cuts_follow_the_root_law_without_replacement():
    width, prefixes, draws = 6, 3, 20_000
    sae = Matryoshka(prefixes=prefixes)
    keys = jax.random.split(jax.random.key(5), draws)
    cuts = np.asarray(jax.jit(jax.vmap(lambda key: sae._cuts(key, width)))(keys))
    assert (cuts[:, -1] == width).all()
    assert (np.diff(cuts, axis=1) > 0).all()
    lengths = np.arange(1, width)
    weights = np.sqrt(lengths) - np.sqrt(lengths - 1)
    chances = subset_chances(weights, prefixes - 1)
    counts = {chosen: 0 for chosen in chances}
    for row in cuts[:, :-1] - 1:
        counts[tuple(row.tolist())] += 1
    chi2 = sum((counts[c] - draws * p) ** 2 / (draws * p) for c, p in chances.items())
    freedom = len(chances) - 1
    assert chi2 < freedom + 4 * np.sqrt(2 * freedom)
    # The closed form itself, against numpy's sampler.
    rng = np.random.default_rng(0)
    probs = weights / weights.sum()
    sampled = dict.fromkeys(chances, 0)
    for _ in range(4000):
        sampled[tuple(sorted(rng.choice(width - 1, prefixes - 1, replace=False, p=probs).tolist()))] += 1
    chi2 = sum((sampled[c] - 4000 * p) ** 2 / (4000 * p) for c, p in chances.items())
    assert chi2 < freedom + 4 * np.sqrt(2 * freedom)


def test_cut_law_holds_for_wide_dictionaries():
    """√l - √(l-1) cancels in float32; the mean cut of one draw shows it (closed form in float64)."""
    width = 4097
    sae, keys = Matryoshka(prefixes=2), jax.random.split(jax.random.key(1), 3000)
    cuts = np.asarray(jax.jit(jax.vmap(lambda key: sae._cuts(key, width)))(keys))[:, 0]
    lengths = np.arange(1, width)
    chance = (np.sqrt(lengths) - np.sqrt(lengths - 1)) / np.sqrt(width - 1)
    mean = (lengths * chance).sum()
    spread = np.sqrt((lengths**2 * chance).sum() - mean**2)
    assert abs(cuts.mean() - mean) < 4 * spread / np.sqrt(len(cuts))


@pytest.mark.parametrize("prefixes", [1, 2, 5, WIDTH])
def test_matryoshka_loss_is_the_mean_over_prefixes(prefixes):
    sae = Matryoshka(prefixes=prefixes, l1=0.3, l1_warmup=0.0)
    params, x = generic(sae), rows()
    exact = as64(params)
    code = np.maximum(preactivation(sae, exact, x), 0)
    sizes = np.linalg.norm(exact["atoms"], axis=1)
    losses = []
    for cut in np.asarray(sae._cuts(KEY, WIDTH)):
        guess = code[:, :cut] @ exact["atoms"][:cut] + exact["bias"]
        losses.append(
            ((np.asarray(x) - guess) ** 2).sum(1).mean() + 0.3 * (code * sizes)[:, :cut].sum(1).mean()
        )
    assert len(losses) == prefixes
    loss, got = sae.loss(params, x, context(sae, params))
    np.testing.assert_allclose(loss, np.mean(losses), rtol=1e-5)
    np.testing.assert_allclose(got.dense(), code, atol=1e-5)


def test_one_prefix_is_relu():
    nested, plain = Matryoshka(prefixes=1, l1=0.3), ReLU(l1=0.3)
    params, x = generic(plain), rows()
    one = jax.value_and_grad(lambda p: nested.loss(p, x, context(nested, p))[0])(params)
    two = jax.value_and_grad(lambda p: plain.loss(p, x, context(plain, p))[0])(params)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def improved(sae, params, steps, seed=0):
    tx = Optim(lr=1e-2, warmup=1.0, decay=0.0).transform()
    opt, state = tx.init(params), sae.init_state(params)
    step_once = jax.jit(lambda p, o, s, x, step: sae.improve(p, o, x, Context(step, 100, KEY, s), tx))
    for step in range(steps):
        params, opt, state, _ = step_once(params, opt, state, rows(seed=seed + step), step)
    return params, opt, state


def test_running_use_is_an_average_of_squared_weighted_codes():
    sae = Matryoshka()
    params, x = generic(sae), rows()
    before = jnp.arange(WIDTH, dtype=jnp.float32)
    code = sae.encode(params, x)
    state = sae.update(params, x, code, context(sae, params, use=before))
    weighted = np.asarray(code.dense(), float) * np.linalg.norm(as64(params)["atoms"], axis=1)
    np.testing.assert_allclose(
        state["use"], 0.95 * np.arange(WIDTH) + 0.05 * (weighted**2).mean(0), rtol=1e-5
    )


def test_resort_moves_params_and_only_when_asked_their_moments():
    params = generic(Matryoshka())
    results = {kind: improved(Matryoshka(resort=kind), params, 1) for kind in matryoshka.RESORT}
    (plain, opt, state), moved, paper = results["none"], results["resort"], results["resort_paper"]
    order = np.argsort(-np.asarray(state["use"]), kind="stable")
    assert (order != np.arange(WIDTH)).any()
    axes = {"atoms": 0, "encoder": 1, "encoder_bias": 0}
    for name, value in plain.items():
        wanted = np.take(np.asarray(value), order, axis=axes[name]) if name in axes else value
        np.testing.assert_array_equal(moved[0][name], wanted)
        np.testing.assert_array_equal(paper[0][name], wanted)
    for moment in ("mu", "nu"):
        for name, value in getattr(opt[1], moment).items():
            wanted = np.take(np.asarray(value), order, axis=axes[name]) if name in axes else value
            np.testing.assert_array_equal(getattr(moved[1][1], moment)[name], wanted)
            np.testing.assert_array_equal(getattr(paper[1][1], moment)[name], value)
    np.testing.assert_array_equal(moved[2]["use"], np.asarray(state["use"])[order])
    np.testing.assert_array_equal(paper[2]["use"], state["use"])


def test_resorting_with_moments_only_renames_latents():
    """With one prefix the loss has no order, so a full resort must leave training unchanged."""
    params, x = generic(Matryoshka()), rows(seed=99)
    codes = {}
    for kind in matryoshka.RESORT:
        sae = Matryoshka(prefixes=1, resort=kind)
        trained, _, state = improved(sae, params, 12)
        codes[kind] = np.sort(np.asarray(sae.encode(trained, x).dense()), axis=1)
        if kind == "resort":
            assert (np.diff(state["use"]) <= 0).all()
    np.testing.assert_allclose(codes["resort"], codes["none"], atol=1e-5)
    assert np.abs(codes["resort_paper"] - codes["none"]).max() > 1e-3


def test_more_prefixes_than_atoms_are_refused():
    Matryoshka(prefixes=WIDTH).validate(DIM, WIDTH)
    with pytest.raises(ValueError, match=r"sae\.prefixes = 9"):
        Matryoshka(prefixes=9).validate(DIM, WIDTH)


def test_toy_presets_are_the_published_recipe():
    vanilla = relu.PRESETS["relu_paper_toy"]
    nested = matryoshka.PRESETS["matryoshka_paper_toy"]
    for sae in (vanilla, nested):
        assert (sae.norm, sae.centre, sae.encoder_init, sae.atom_scale) == ("init", "none", "gaussian", 0.1)
        assert (sae.controller, sae.input_scale, sae.l1, sae.target_l0) == ("sign", "running", 0.1, 1.36)
        assert sae.l1_warmup * 15_000 == sae.control_from * 15_000 == 3000
    assert (nested.prefixes, nested.resort) == (5, "resort_paper")
    coupled = batch_topk.PRESETS["batch_topk_paper_toy"]
    assert (coupled.norm, coupled.centre, coupled.auxk, coupled.rate) == ("init", "none", 0.0, 0.1)
    assert (coupled.k, coupled.k_start, coupled.k_start_steps, coupled.extra) == (1.36, 3.0, 1000.0, 1)
    assert coupled._budget(coupled.k, 200) == 273  # ⌊1.36·200⌋ + 1


@pytest.mark.parametrize(
    "sae",
    [relu.PRESETS["relu_paper_toy"], matryoshka.PRESETS["matryoshka_paper_toy"]],
    ids=["relu", "nested"],
)
def test_toy_presets_are_valid_and_learn_something(sae):
    sae.validate(20, 20)
    params = sae.init(KEY, DIM, WIDTH)
    trained, _, state = improved(sae, params, 30)
    frozen, folded = sae.freeze(trained, state)
    x = rows(seed=0)
    before = ((x - sae.decode(params, sae.encode(params, x))) ** 2).sum()
    after = ((x - frozen.decode(folded, frozen.encode(folded, x))) ** 2).sum()
    assert float(after) < float(before)
