"""The one-shot variants against closed forms, float64 oracles and finite differences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.optim import Optim
from mpsae.sae import Context
from mpsae.saes import batch_topk, matryoshka, relu
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.matryoshka import Matryoshka
from mpsae.saes.relu import ReLU
from mpsae.saes.threshold import Threshold
from mpsae.saes.topk import TopK

KEY = jax.random.key(0)
ROWS, DIM, WIDTH = 9, 5, 8


def context(sae, params, step=0, steps=100, key=KEY, **state):
    return Context(step=step, steps=steps, key=key, state=sae.init_state(params) | state)


def generic(sae, width=WIDTH, seed=0):
    """Params away from every symmetric start: biases not 0, atoms not unit, encoder not Dᵀ."""
    rng = np.random.default_rng(seed)
    params = sae.init(jax.random.key(seed), DIM, width)
    return {
        name: jnp.asarray(
            value + (0.3 * rng.normal(size=value.shape) if name != "threshold" else 0), jnp.float32
        )
        for name, value in params.items()
    }


def rows(count=ROWS, seed=1):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, DIM)), jnp.float32)


def as64(params):
    return {name: np.asarray(value, float) for name, value in params.items()}


def preactivation(sae, params, x):
    shift = params["bias"] if sae.centre == "bias" else 0.0
    return (np.asarray(x, float) - shift) @ params["encoder"] + params["encoder_bias"]


def finite_difference(loss, params, step=1e-6):
    """Central differences of a float64 function of a dict of arrays."""
    grads = {}
    for name, value in params.items():
        grads[name] = np.zeros_like(value)
        for place in np.ndindex(*value.shape):
            both = []
            for sign in (1, -1):
                moved = value.copy()
                moved[place] += sign * step
                both.append(loss(params | {name: moved}))
            grads[name][place] = (both[0] - both[1]) / (2 * step)
    return grads


# --- relu ---------------------------------------------------------------------------------------


def relu_loss(sae, params, x, strength):
    code = np.maximum(preactivation(sae, params, x), 0)
    error = ((np.asarray(x, float) - code @ params["atoms"] - params["bias"]) ** 2).sum(1).mean()
    return error + strength * (code * np.linalg.norm(params["atoms"], axis=1)).sum(1).mean()


@pytest.mark.parametrize("centre", ["bias", "none"])
def test_relu_loss_and_gradient(centre):
    sae = ReLU(l1=0.2, l1_warmup=0.0, centre=centre)
    params, x = generic(sae), rows()
    (loss, code), grads = jax.value_and_grad(sae.loss, has_aux=True)(params, x, context(sae, params))
    exact = as64(params)
    np.testing.assert_allclose(loss, relu_loss(sae, exact, x, 0.2), rtol=1e-5)
    np.testing.assert_allclose(code.dense(), np.maximum(preactivation(sae, exact, x), 0), atol=1e-5)
    expected = finite_difference(lambda p: relu_loss(sae, p, x, 0.2), exact)
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected[name], atol=2e-5)


@pytest.mark.parametrize("l1", [0.0, 0.3, 1.0])
def test_relu_analytic_optimum(l1):
    """x = 1 and one unit atom: loss (1 - f)² + λ f, least at f = 1 - λ/2."""
    sae = ReLU(l1=l1, l1_warmup=0.0)
    params = {
        "atoms": jnp.ones((1, 1)),
        "bias": jnp.zeros(1),
        "encoder": jnp.zeros((1, 1)),
        "encoder_bias": jnp.full(1, 0.1),
    }
    x, ctx = jnp.ones((1, 1)), context(sae, params)
    slope = jax.jit(jax.grad(lambda p: sae.loss(p, x, ctx)[0]))
    for _ in range(60):
        params = params | {"encoder_bias": params["encoder_bias"] - 0.25 * slope(params)["encoder_bias"]}
    np.testing.assert_allclose(sae.encode(params, x).values, [[1 - l1 / 2]], atol=1e-6)
    np.testing.assert_allclose(sae.loss(params, x, ctx)[0], l1 - l1**2 / 4, atol=1e-6)


@pytest.mark.parametrize("sae", [ReLU(l1=0.5), Matryoshka(l1=0.5, prefixes=3)], ids=["relu", "matryoshka"])
def test_loss_is_invariant_to_rescaling_an_atom(sae):
    params, x = generic(sae), rows()
    factor = jnp.asarray([1, 2, 0.5, 1, 3, 1, 0.1, 1.0])
    scaled = params | {
        "atoms": params["atoms"] / factor[:, None],
        "encoder": params["encoder"] * factor,
        "encoder_bias": params["encoder_bias"] * factor,
    }
    ctx = context(sae, params, step=50)
    np.testing.assert_allclose(sae.loss(scaled, x, ctx)[0], sae.loss(params, x, ctx)[0], rtol=1e-5)


def test_l1_ramp_and_controller_multiply_the_penalty():
    params, x = generic(ReLU()), rows()
    plain = ReLU(l1=0.0).loss(params, x, context(ReLU(), params))[0]

    def strength(sae, step, **state):
        loss = sae.loss(params, x, context(sae, params, step=step, steps=100, **state))[0]
        full = ReLU(l1=1.0, l1_warmup=0.0).loss(params, x, context(ReLU(), params))[0]
        return float((loss - plain) / (full - plain))

    ramp = ReLU(l1=0.4, l1_warmup=0.2)
    measured = [strength(ramp, step) for step in (0, 9, 19, 99)]
    np.testing.assert_allclose(measured, [0.4 / 20, 0.2, 0.4, 0.4], rtol=2e-4)
    steered = ReLU(l1=0.4, l1_warmup=0.0, controller="sign", target_l0=1e-3, control_from=0.5)
    control = {"factor": jnp.float32(2), "l0": jnp.float32(0), "trend": jnp.float32(0)}
    np.testing.assert_allclose(strength(steered, 50, control=control), 0.8, rtol=2e-4)
    np.testing.assert_allclose(strength(steered, 51, control=control), 0.8 * 1.0003, rtol=2e-4)
    gated = ReLU(l1=0.4, l1_warmup=0.0, controller="hinge", target_l0=float(WIDTH), control_from=0.0)
    np.testing.assert_allclose(strength(gated, 50), 0.0, atol=2e-4)


def test_input_scale_is_a_running_mean_from_zero_and_trains_in_scaled_space():
    sae = ReLU(norm="init", input_scale="running", l1=0.3, l1_warmup=0.0)
    params = generic(sae)
    norm, state = 0.0, sae.init_state(params)
    for step in range(5):
        x = (step + 1) * rows(seed=step)
        ctx = Context(step=step, steps=100, key=KEY, state=state)
        loss, code = sae.loss(params, x, ctx)
        norm = 0.99 * norm + 0.01 * np.linalg.norm(np.asarray(x, float), axis=1).mean()
        scaled = np.asarray(x, float) * np.sqrt(DIM) / norm
        np.testing.assert_allclose(loss, relu_loss(sae, as64(params), scaled, 0.3), rtol=1e-4)
        state = sae.update(params, x, code, ctx)
        np.testing.assert_allclose(state["norm"], norm, rtol=1e-5)


@pytest.mark.parametrize("centre", ["bias", "none"])
@pytest.mark.parametrize("kind", [ReLU, Matryoshka])
def test_freeze_folds_the_input_scale(kind, centre):
    sae = kind(norm="init", input_scale="running", centre=centre)
    params, x = generic(sae), rows()
    scale = np.sqrt(DIM) / 2.5
    frozen, folded = sae.freeze(params, sae.init_state(params) | {"norm": jnp.float32(2.5)})
    training = sae.encode(params, x * scale)
    np.testing.assert_allclose(frozen.encode(folded, x).values, training.values, atol=2e-5)
    np.testing.assert_allclose(
        frozen.decode(folded, frozen.encode(folded, x)), sae.decode(params, training) / scale, atol=2e-5
    )
    assert frozen.input_scale == "none"
    again, same = frozen.freeze(folded, frozen.init_state(folded))
    assert again == frozen
    assert all((same[name] == folded[name]).all() for name in folded)


@pytest.mark.parametrize("kind", [ReLU, Matryoshka])
def test_zero_rows_give_finite_gradients(kind):
    sae = kind(l1=0.1)
    params = generic(sae)
    grads = jax.grad(lambda p: sae.loss(p, jnp.zeros((3, DIM)), context(sae, p))[0])(params)
    assert all(np.isfinite(grad).all() for grad in grads.values())


@pytest.mark.parametrize("kind", [ReLU, Matryoshka])
def test_a_zero_atom_gives_finite_gradients(kind):
    sae = kind(l1=0.1)
    params = generic(sae)
    params = params | {"atoms": params["atoms"].at[2].set(0.0)}
    grads = jax.grad(lambda p: sae.loss(p, rows(), context(sae, p))[0])(params)
    assert all(np.isfinite(grad).all() for grad in grads.values())


@pytest.mark.parametrize("bad", [{"controller": "sign"}, {"input_scale": "running"}, {"norm": "tangnt"}])
def test_relu_refuses_what_cannot_work(bad):
    with pytest.raises(ValueError, match=r"sae\.(target_l0|norm)"):
        ReLU(**bad).validate(DIM, WIDTH)


@pytest.mark.parametrize("kind, spread", [("atoms", DIM**-0.5), ("gaussian", DIM**-0.5), ("standard", 1.0)])
def test_encoder_starts_as_documented(kind, spread):
    params = ReLU(encoder_init=kind, atom_scale=0.1).init(KEY, DIM, 4000)
    atoms, encoder = np.asarray(params["atoms"], float), np.asarray(params["encoder"], float).T
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 0.1, rtol=1e-5)
    np.testing.assert_allclose(
        0.1 * encoder / np.linalg.norm(encoder, axis=1, keepdims=True), atoms, atol=1e-6
    )
    np.testing.assert_allclose(encoder.std(), spread, rtol=0.03)
    assert (np.asarray(params["bias"]) == 0).all()
    assert (np.asarray(params["encoder_bias"]) == 0).all()


# --- topk ---------------------------------------------------------------------------------------


def keep_largest(positive, k):
    """Per row, the k largest kept; among equals the first."""
    out = np.zeros_like(positive)
    for row, values in enumerate(positive):
        for i in sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]:
            out[row, i] = values[i]
    return out


@pytest.mark.parametrize("k", [1, 3, WIDTH])
def test_topk_matches_sorting(k):
    sae = TopK(k=k)
    params, x = generic(sae), rows()
    expected = keep_largest(np.maximum(preactivation(sae, as64(params), x), 0), k)
    np.testing.assert_allclose(sae.encode(params, x).dense(), expected, atol=1e-5)
    assert (np.count_nonzero(expected, axis=1) < k).any() or k < 3  # rows with fewer positives occur


def test_topk_keeps_exactly_k_of_equal_values():
    sae = TopK(k=3)
    params = sae.init(KEY, DIM, WIDTH)
    params = params | {"encoder": jnp.ones((DIM, WIDTH))}
    code = sae.encode(params, jnp.ones((2, DIM)))
    np.testing.assert_array_equal(code.dense(), [[DIM] * 3 + [0] * 5] * 2)


def test_topk_loss_adds_weighted_auxk_of_the_dead():
    sae = TopK(k=2, auxk=0.25, dead_window=10.0)
    params, x = generic(sae), rows()
    silent = jnp.asarray([0, 10, 9, 11, 0, 300, 0, 10], jnp.int32)
    loss = sae.loss(params, x, context(sae, params, silent=silent))[0]
    exact = as64(params)
    pre = preactivation(sae, exact, x)
    error = np.asarray(x) - keep_largest(np.maximum(pre, 0), 2) @ exact["atoms"] - exact["bias"]
    dead_pre = np.where(np.asarray(silent) >= 10, np.maximum(pre, 0), 0)
    guess = keep_largest(dead_pre, DIM // 2) @ exact["atoms"]
    aux = ((error - guess) ** 2).sum() / ((error - error.mean(0)) ** 2).sum()
    np.testing.assert_allclose(loss, (error**2).sum(1).mean() + 0.25 * aux, rtol=1e-5)


def test_topk_update_counts_silence():
    sae = TopK(k=2)
    params, x = generic(sae), rows()
    code = sae.encode(params, x)
    state = sae.update(params, x, code, context(sae, params, silent=jnp.arange(WIDTH, dtype=jnp.int32)))
    fired = (np.asarray(code.dense()) != 0).any(0)
    np.testing.assert_array_equal(state["silent"], np.where(fired, 0, np.arange(WIDTH) + 1))
    assert 0 < fired.sum() < WIDTH


# --- batch_topk and threshold ---------------------------------------------------------------------


def keep_largest_of_batch(positive, count):
    out = np.zeros(positive.size)
    order = np.argsort(-positive.reshape(-1), kind="stable")[:count]
    out[order] = positive.reshape(-1)[order]
    return out.reshape(positive.shape)


@pytest.mark.parametrize("k, extra, count", [(1.0, 0, 9), (1.36, 1, 13), (2.5, 0, 22), (0.2, 0, 1)])
def test_batch_topk_keeps_the_exact_count(k, extra, count):
    sae = BatchTopK(k=k, extra=extra)
    params, x = generic(sae), rows()
    code = sae.encode(params, x).dense()
    positive = np.maximum(preactivation(sae, as64(params), x), 0)
    np.testing.assert_allclose(code, keep_largest_of_batch(positive, count), atol=1e-5)
    assert np.count_nonzero(code) == count
    training = sae.loss(params, x, context(sae, params))[1].dense()
    np.testing.assert_array_equal(training, code)


@pytest.mark.parametrize("k, count, budget", [(0.29, 100, 29), (1.15, 100, 115), (0.57, 200, 114)])
def test_batch_topk_budget_survives_binary_fractions(k, count, budget):
    sae = BatchTopK(k=k)
    code = sae.encode(generic(sae), rows(count)).dense()
    assert np.count_nonzero(code) == budget


def test_batch_topk_count_is_exact_with_ties():
    sae = BatchTopK(k=1.5)
    params = sae.init(KEY, DIM, WIDTH) | {"encoder": jnp.ones((DIM, WIDTH))}
    assert np.count_nonzero(sae.encode(params, jnp.ones((6, DIM))).dense()) == 9


def test_batch_topk_uses_k_start_first():
    sae = BatchTopK(k=1.0, k_start=3.0, k_start_steps=4.0, extra=1)
    params, x = generic(sae), rows()
    counts = [
        np.count_nonzero(sae.loss(params, x, context(sae, params, step=step))[1].dense())
        for step in (0, 3, 4, 99)
    ]
    assert counts == [28, 28, 10, 10]
    assert np.count_nonzero(sae.encode(params, x).dense()) == 10


def test_batch_topk_threshold_is_an_average_of_the_smallest_kept_value():
    sae = BatchTopK(k=1.5, k_start=4.0, k_start_steps=3.0, rate=0.1)
    params = generic(sae)
    state, expected = sae.init_state(params), None
    for step in range(8):
        # In step 5 hardly anything is positive: fewer values than the budget, the smallest is 0.
        x = rows(seed=step) if step != 5 else jnp.zeros((ROWS, DIM)) + params["bias"]
        run = params if step != 5 else params | {"encoder_bias": jnp.full(WIDTH, -1.0)}
        ctx = Context(step=step, steps=100, key=KEY, state=state)
        code = sae.loss(run, x, ctx)[1]
        state = sae.update(run, x, code, ctx)
        positive = np.maximum(preactivation(sae, as64(run), x), 0).reshape(-1)
        smallest = np.sort(positive)[::-1][: (36 if step < 3 else 13)].min()
        expected = smallest if expected is None else 0.9 * expected + 0.1 * smallest
        np.testing.assert_allclose(state["threshold"], expected, rtol=1e-5)


def test_batch_topk_freezes_to_a_threshold_without_neighbours():
    sae = BatchTopK(k=1.5, centre="none")
    params, x = generic(sae), rows()
    frozen, frozen_params = sae.freeze(params, sae.init_state(params) | {"threshold": jnp.float32(0.7)})
    assert isinstance(frozen, Threshold)
    positive = np.maximum(preactivation(sae, as64(params), x), 0)
    expected = np.where(positive > 0.7, positive, 0)
    np.testing.assert_allclose(frozen.encode(frozen_params, x).dense(), expected, atol=1e-5)
    for i in range(ROWS):
        alone = frozen.encode(frozen_params, x[i : i + 1]).dense()
        np.testing.assert_allclose(alone[0], expected[i], atol=1e-5)
    changed = frozen.encode(frozen_params, x.at[0].mul(100.0)).dense()
    np.testing.assert_array_equal(changed[1:], frozen.encode(frozen_params, x).dense()[1:])


def test_threshold_is_strict_and_may_differ_per_latent():
    sae = Threshold()
    params = {
        "atoms": jnp.eye(3),
        "bias": jnp.zeros(3),
        "encoder": jnp.eye(3),
        "encoder_bias": jnp.zeros(3),
        "threshold": jnp.asarray([0.5, 1.0, -1.0]),
    }
    x = jnp.asarray([[0.5, 2.0, -3.0], [0.6, 1.0, 0.1]])
    np.testing.assert_array_equal(
        sae.encode(params, x).values, [[0, 2, 0], [np.float32(0.6), 0, np.float32(0.1)]]
    )


# --- matryoshka ---------------------------------------------------------------------------------


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


# --- presets ------------------------------------------------------------------------------------


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
    "sae", [*relu.PRESETS.values(), *matryoshka.PRESETS.values()], ids=["relu", "nested"]
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
