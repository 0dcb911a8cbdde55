"""Matching pursuit against plain loops, its gradient against autodiff, and the theory it obeys."""

import functools
import itertools
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpsae.pursuit import REPEATS, SELECT, TOLERANCES, Rule, pursue
from mpsae.sae import Context
from mpsae.saes.mp import PRESETS, MatchingPursuit

OPTIONS = {
    "select": tuple(SELECT),
    "on_repeat": REPEATS,
    "tol_kind": TOLERANCES,
    "sliced": (False, True),
    "step_size": ("projection", "plain"),
    "analysis": ("tied", "untied", "untied_bias"),
    "bias": ("pre", "none", "sub_only"),
    "grad_residual": ("full", "detach"),
}
PLAIN = MatchingPursuit(k=4, step_size="plain", bias="none", revive="none", norm="init")


def covering_cases(count=36):
    """Option combinations in which every pair of values of every two options occurs."""
    product = list(itertools.product(*OPTIONS.values()))
    cases = random.Random(0).sample(product, count)
    for one, two in itertools.combinations(range(len(OPTIONS)), 2):
        pairs = {(case[one], case[two]) for case in cases}
        values = list(OPTIONS.values())
        assert len(pairs) == len(values[one]) * len(values[two])
    return [dict(zip(OPTIONS, case, strict=True)) for case in cases]


CASES = covering_cases()


def label(case):
    return "-".join(str(value) for value in case.values())


def build(case, k=4):
    case = dict(case)
    tol = {"absolute": 0.9, "relative": 0.45}[case["tol_kind"]]
    slices = k if case.pop("sliced") else 1
    if case["analysis"] != "tied":
        case["step_size"] = "plain"  # `validate` refuses the other, which has no meaning there
    return MatchingPursuit(k=k, slices=slices, tol=tol, revive="none", **case)


def problem(sae, rows=14, dim=7, width=12, unit=False, seed=0):
    """Float64 params of generic numbers (norms .8 to 1.3 unless unit) and rows with clear winners."""
    rng = np.random.default_rng(seed)
    atoms = rng.normal(size=(width, dim))
    atoms *= (1.0 if unit else rng.uniform(0.8, 1.3, (width, 1))) / np.linalg.norm(
        atoms, axis=1, keepdims=True
    )
    params = {"atoms": atoms}
    if sae.bias != "none":
        params["bias"] = 0.3 * rng.normal(size=dim)
    if sae.analysis != "tied":
        params["analysis"] = atoms + 0.15 * rng.normal(size=atoms.shape)
    if sae.analysis == "untied_bias":
        params["analysis_bias"] = 0.1 * rng.normal(size=width)
    return params, 1.5 * rng.normal(size=(rows, dim)) / np.sqrt(dim) * np.sqrt(3)


def oracle(sae, params, x, seen=None):
    """Indices, values and residuals of the pursuit, one float64 scalar decision after another."""
    atoms = params["atoms"]
    width = len(atoms)
    weights, offsets = params.get("analysis", atoms), params.get("analysis_bias", np.zeros(width))
    per_slice = width // sae.slices
    all_indices, all_values, residuals = [], [], []
    for row in x:
        residual = row - params.get("bias", 0.0)
        limit = sae.tol * (np.linalg.norm(residual) if sae.tol_kind == "relative" else 1.0)
        indices, values, code, running = [0] * sae.k, [0.0] * sae.k, {}, True
        for t in range(sae.k):
            if not running:
                break
            best = None
            for i in range(width):
                if sae.slices > 1 and i // per_slice != t % sae.slices:
                    continue
                if sae.on_repeat == "ban" and i in code:
                    continue
                product = weights[i] @ residual + offsets[i]
                if seen is not None and not seen[i]:
                    product = 0.0
                size = np.linalg.norm(atoms[i])
                scaled = sae.analysis == "tied" and sae.step_size == "projection"
                score, value = (product / size, product / size**2) if scaled else (product, product)
                if sae.select == "abs":
                    score = abs(score)
                if best is None or score > best[0]:
                    best = score, i, value
            _, i, value = best
            if sae.select == "relu_max":
                value = max(value, 0.0)
            unchanged = value == 0 or i in code
            indices[t], values[t] = i, value
            code[i] = code.get(i, 0.0) + value
            residual = residual - value * atoms[i]
            if np.linalg.norm(residual) < limit or (sae.on_repeat == "stop" and unchanged):
                running = False
        all_indices.append(indices)
        all_values.append(values)
        residuals.append(residual)
    return np.array(all_indices), np.array(all_values), np.array(residuals)


def dense(indices, values, width):
    out = np.zeros((len(values), width))
    np.add.at(out, (np.arange(len(values))[:, None], indices), values)
    return out


def as_jax(tree, dtype):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), tree)


def check_against_oracle(sae, params, x):
    indices, values, residual = oracle(sae, params, x)
    code = dense(indices, values, len(params["atoms"]))
    bias = params["bias"] if sae.bias == "pre" else 0.0
    scale = max(1.0, np.abs(code).max())
    with jax.enable_x64(True):
        path = jax.jit(sae.path)(as_jax(params, jnp.float64), jnp.asarray(x))
        taken = values != 0
        np.testing.assert_array_equal(np.asarray(path.indices)[taken], indices[taken])
        np.testing.assert_allclose(path.values, values, atol=1e-12 * scale)
        np.testing.assert_allclose(path.residual, residual, atol=1e-12 * scale)
        assert path.values.dtype == path.residual.dtype == jnp.float64
    small, rows = as_jax(params, jnp.float32), jnp.asarray(x, jnp.float32)
    encoded = jax.jit(sae.encode)(small, rows)
    clear = np.abs(values) > 1e-3  # below that rounding may decide, and decides nothing that matters
    np.testing.assert_array_equal(np.asarray(encoded.indices)[clear], indices[clear])
    np.testing.assert_allclose(encoded.dense(), code, atol=1e-5 * scale)
    np.testing.assert_allclose(
        sae.decode(small, encoded), code @ params["atoms"] + bias, atol=1e-5 * scale, rtol=1e-5
    )
    assert encoded.values.dtype == jnp.float32
    assert encoded.indices.dtype == jnp.int32
    return values


@pytest.mark.parametrize("case", CASES, ids=label)
def test_options_match_oracle(case):
    sae = build(case)
    values = check_against_oracle(sae, *problem(sae))
    assert (values != 0).any()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_match_oracle(name):
    sae = PRESETS[name]
    params, x = problem(sae, rows=10, dim=24, width=40, unit=sae.norm in ("project", "tangent"))
    check_against_oracle(sae, params, x)


def test_option_problems_exercise_what_they_name():
    """Rows stop early, atoms repeat, values clip: otherwise the tests above would be empty."""
    stop = build(CASES[0] | dict(select="relu_max", on_repeat="accumulate", analysis="tied", sliced=False))
    counts = (oracle(stop, *problem(stop))[1] != 0).sum(1)
    assert counts.min() < stop.k == counts.max()
    long = PLAIN.replace(k=8)
    indices, values, _ = oracle(long, *problem(long))
    assert any(len(set(row[v != 0])) < (v != 0).sum() for row, v in zip(indices, values, strict=True))


# --- the gradient -----------------------------------------------------------------------------


def unrolled(sae, params, x, seen):
    """The same pursuit as differentiable dense operations in a Python loop."""
    constant = jax.lax.stop_gradient
    atoms = params["atoms"]
    width = len(atoms)
    weights = params.get("analysis", atoms) * seen[:, None]
    offsets = params.get("analysis_bias", jnp.zeros(width)) * seen
    sizes = jnp.sqrt((atoms**2).sum(1))
    residual = x - params.get("bias", 0.0)
    limit = sae.tol * (jnp.sqrt((residual**2).sum(1)) if sae.tol_kind == "relative" else 1.0)
    slot = jnp.arange(width) // (width // sae.slices)
    active, count, values = jnp.ones(len(x), bool), jnp.zeros((len(x), width)), []
    for t in range(sae.k):
        inside = constant(residual) if sae.grad_residual == "detach" else residual
        products = inside @ weights.T + offsets
        scores = values_all = products
        if sae.analysis == "tied" and sae.step_size == "projection":
            scores, values_all = products / sizes, products / sizes**2
        scores = constant(jnp.abs(scores) if sae.select == "abs" else scores)
        scores = jnp.where(slot == t % sae.slices, scores, -jnp.inf) if sae.slices > 1 else scores
        scores = jnp.where(count > 0, -jnp.inf, scores) if sae.on_repeat == "ban" else scores
        one_hot = jax.nn.one_hot(jnp.argmax(scores, 1), width, dtype=x.dtype)
        value = (values_all * one_hot).sum(1)
        value = jax.nn.relu(value) if sae.select == "relu_max" else value
        value = jnp.where(active, value, 0.0)
        residual = residual - value[:, None] * (one_hot @ atoms)
        repeated = ((count > 0) & (one_hot > 0)).any(1) | (value == 0)
        count = count + one_hot * active[:, None]
        done = (residual**2).sum(1) < limit**2
        active = active & ~(done | repeated if sae.on_repeat == "stop" else done)
        values.append(value)
    return jnp.stack(values, 1), residual


def gradients(function, params, x, weights):
    def total(params, x):
        values, residual = function(params, x)
        # Squares make the cotangent depend on the outputs, as in a real loss.
        return (values * weights[0] + values**2).sum() + (residual * weights[1] + residual**2).sum()

    return jax.grad(total, (0, 1))(params, x)


def check_gradient(sae, params, x, seen):
    rng = np.random.default_rng(9)
    with jax.enable_x64(True):
        params, x, seen = as_jax(params, jnp.float64), jnp.asarray(x), jnp.asarray(seen, jnp.float64)
        weights = jnp.asarray(rng.normal(size=(len(x), sae.k))), jnp.asarray(rng.normal(size=x.shape))
        path = functools.partial(sae.path, seen=seen)
        got = jax.jit(lambda p, x: gradients(lambda p, x: path(p, x)[1:], p, x, weights))(params, x)
        wanted = gradients(lambda p, x: unrolled(sae, p, x, seen), params, x, weights)
        for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            assert one.dtype == jnp.float64
            np.testing.assert_allclose(one, two, atol=1e-10 * max(1.0, float(jnp.abs(two).max())))
        assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(got)) > 0.1


@pytest.mark.parametrize("case", CASES, ids=label)
def test_gradient_is_that_of_the_unrolled_loop(case):
    sae = build(case)
    params, x = problem(sae)
    hidden = np.arange(len(params["atoms"])) % 4 != 1  # as atom dropout hides them
    check_gradient(sae, params, x, hidden if CASES.index(case) % 2 else np.ones(len(hidden)))


@pytest.mark.parametrize("grad_residual", ["full", "detach"])
def test_gradient_with_atoms_selected_again(grad_residual):
    sae = PLAIN.replace(k=9, grad_residual=grad_residual)
    params, x = problem(sae)
    params["atoms"] = params["atoms"] * 0.7  # short atoms leave something behind: they are taken again
    indices, values, _ = oracle(sae, params, x)
    assert any(len(set(row[v != 0])) < (v != 0).sum() for row, v in zip(indices, values, strict=True))
    check_gradient(sae, params, x, np.ones(len(params["atoms"])))


def test_gradient_of_the_loss_is_that_of_decoding_the_code():
    """The loss uses the residual; ‖x - decode(encode(x))‖² must have the same gradient."""
    ctx = Context(step=0, steps=1, key=jax.random.key(0), state={})
    for bias, analysis in itertools.product(OPTIONS["bias"], OPTIONS["analysis"]):
        sae = MatchingPursuit(k=4, bias=bias, analysis=analysis, revive="none")
        params, x = problem(sae)
        with jax.enable_x64(True):
            params, x = as_jax(params, jnp.float64), jnp.asarray(x)

            def decoded(params, sae=sae, x=x):
                return ((x - sae.decode(params, sae.encode(params, x))) ** 2).sum(1).mean()

            value, got = jax.value_and_grad(lambda p, sae=sae, x=x: sae.loss(p, x, ctx)[0])(params)
            expected, wanted = jax.value_and_grad(decoded)(params)
            np.testing.assert_allclose(value, expected, rtol=1e-12)
            for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
                np.testing.assert_allclose(one, two, atol=1e-11)


def test_float32_gradient_is_close_to_float64():
    sae = MatchingPursuit(k=6, revive="none")
    params, x = problem(sae)
    weights = np.ones((len(x), 6)), np.ones_like(x)
    small = gradients(lambda p, x: sae.path(p, x)[1:], as_jax(params, jnp.float32), jnp.float32(x), weights)
    with jax.enable_x64(True):
        seen = jnp.ones(len(params["atoms"]))
        exact = gradients(
            lambda p, x: unrolled(sae, p, x, seen), as_jax(params, jnp.float64), jnp.asarray(x), weights
        )
    for one, two in zip(jax.tree.leaves(small), jax.tree.leaves(exact), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5 * np.abs(two).max())


# --- theory -----------------------------------------------------------------------------------


def unit_rows(seed, width, dim):
    rows = np.random.default_rng(seed).normal(size=(width, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@functools.partial(jax.jit, static_argnums=0)
def run(rule, x, atoms, tol=0.0):
    return pursue(rule, x, atoms, atoms, jnp.zeros(len(atoms)), atoms, tol)


finite_rows = st.lists(
    st.lists(st.floats(-100, 100, width=32), min_size=5, max_size=5), min_size=3, max_size=3
)


@settings(max_examples=25, deadline=None)
@given(rows=finite_rows, seed=st.integers(0, 1000), select=st.sampled_from(sorted(SELECT)))
def test_energy_identity_and_shrinking_residual(rows, seed, select):
    x, atoms = np.array(rows, np.float32), np.float32(unit_rows(seed, 9, 5))
    energy = (x.astype(float) ** 2).sum(1)
    before = energy
    for k in (1, 2, 6):
        path = run(Rule(k, select), x, atoms)
        left = (np.asarray(path.residual, float) ** 2).sum(1)
        spent = (np.asarray(path.values, float) ** 2).sum(1)
        np.testing.assert_allclose(spent + left, energy, rtol=1e-5, atol=1e-12)
        assert (left <= before * (1 + 1e-5)).all()
        before = left


@settings(max_examples=15, deadline=None)
@given(rows=finite_rows, seed=st.integers(0, 1000), repeat=st.sampled_from(REPEATS))
def test_first_steps_do_not_depend_on_later_ones(rows, seed, repeat):
    x, atoms = np.array(rows, np.float32), np.float32(unit_rows(seed, 9, 5))
    long = run(Rule(6, on_repeat=repeat), x, atoms)
    for k in (1, 3):
        short = run(Rule(k, on_repeat=repeat), x, atoms)
        np.testing.assert_array_equal(short.indices, long.indices[:, :k])
        np.testing.assert_array_equal(short.values, long.values[:, :k])


@settings(max_examples=15, deadline=None)
@given(rows=finite_rows, factor=st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_scaling_rows_by_a_power_of_two_scales_codes_exactly(rows, factor):
    x, atoms = np.array(rows, np.float32), np.float32(unit_rows(0, 9, 5))
    x[np.abs(x) < 1e-3] = 0  # away from denormal numbers
    one, two = run(Rule(3), x, atoms), run(Rule(3), x * np.float32(factor), atoms)
    np.testing.assert_array_equal(one.indices, two.indices)
    np.testing.assert_array_equal(one.values * factor, two.values)


@settings(max_examples=15, deadline=None)
@given(rows=finite_rows, picks=st.lists(st.integers(0, 2), min_size=6, max_size=6))
def test_at_most_k_active_with_exact_ties(rows, picks):
    """Atoms repeat and rows are arbitrary, so maxima tie; banned atoms are never taken twice."""
    atoms = np.float32(unit_rows(1, 3, 5))[picks]
    for repeat in REPEATS:
        path = run(Rule(2, on_repeat=repeat), np.array(rows, np.float32), atoms)
        taken = np.asarray(path.values) != 0
        assert taken.sum(1).max() <= 2
        assert ((path.indices >= 0) & (path.indices < 6)).all()
        if repeat == "ban":
            both = taken.all(1)
            assert (np.asarray(path.indices)[both, 0] != np.asarray(path.indices)[both, 1]).all()


def test_orthonormal_atoms_give_the_top_k_of_relu():
    rng = np.random.default_rng(0)
    atoms = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    x = rng.normal(size=(20, 8))
    products = np.maximum(x @ atoms.T, 0)
    for k in (1, 3, 8):
        expected = np.where(products >= np.sort(products, 1)[:, -k][:, None], products, 0)
        path = run(Rule(k), np.float32(x), np.float32(atoms))
        np.testing.assert_allclose(dense(path.indices, path.values, 8), expected, atol=1e-5)


def test_nonnegative_pursuit_leaves_negative_products_behind():
    x = jnp.array([[1.0, -2.0, 0.5, -0.1]])
    path = run(Rule(4), x, jnp.eye(4))
    np.testing.assert_array_equal(path.residual, [[0, -2, 0, np.float32(-0.1)]])
    np.testing.assert_array_equal(path.values, [[1, 0.5, 0, 0]])
    signed = run(Rule(4, "abs"), x, jnp.eye(4))
    np.testing.assert_array_equal(signed.residual, [[0, 0, 0, 0]])
    np.testing.assert_array_equal(signed.values, [[-2, 1, 0.5, np.float32(-0.1)]])


def test_max_takes_the_least_negative_product_and_abs_the_largest():
    x = -jnp.array([[1.0, 2.0, 3.0]])
    assert run(Rule(1, "max"), x, jnp.eye(3)).values.tolist() == [[-1.0]]
    assert run(Rule(1, "abs"), x, jnp.eye(3)).values.tolist() == [[-3.0]]
    assert run(Rule(1, "relu_max"), x, jnp.eye(3)).values.tolist() == [[0.0]]


def test_a_merged_atom_explains_parent_and_child_in_one_step():
    parent, child = np.eye(3)[0], np.eye(3)[1]
    atoms = np.float32([parent, (parent + child) / np.sqrt(2), child])
    path = run(Rule(3), np.float32([parent + child]), atoms)
    np.testing.assert_allclose(dense(path.indices, path.values, 3), [[0, np.sqrt(2), 0]], atol=1e-6)
    np.testing.assert_allclose(path.residual, 0, atol=1e-6)


@pytest.mark.parametrize("length", [0.6, 1.0, 1.3, 1.5])
def test_step_sizes_for_atoms_of_any_length(length):
    atoms = np.float32(length * unit_rows(2, 6, 4))
    x = np.float32(np.random.default_rng(3).normal(size=(30, 4)))
    params = {"atoms": jnp.asarray(atoms)}
    for sae in (PLAIN.replace(k=1), PLAIN.replace(k=1, step_size="projection")):
        path = sae.path(params, jnp.asarray(x))
        index, value = np.asarray(path.indices)[:, 0], np.asarray(path.values)[:, 0]
        on = value > 0
        before = (x * atoms[index]).sum(1)[on]
        after = (np.asarray(path.residual) * atoms[index]).sum(1)[on]
        drop = ((x**2).sum(1) - (np.asarray(path.residual) ** 2).sum(1))[on]
        if sae.step_size == "plain":
            np.testing.assert_allclose(after, (1 - length**2) * before, atol=1e-5)
            np.testing.assert_allclose(drop, (2 - length**2) * value[on] ** 2, atol=1e-5, rtol=1e-5)
        else:
            np.testing.assert_allclose(after, 0, atol=1e-5)
            np.testing.assert_allclose(drop, length**2 * value[on] ** 2, atol=1e-5, rtol=1e-5)
            np.testing.assert_allclose(value[on], before / length**2, rtol=1e-5)


def test_projection_chooses_by_angle_and_plain_by_product():
    params = {"atoms": jnp.array([[0.5, 0.0], [0.0, 3.0]])}
    x = jnp.array([[2.0, 1.0]])  # products 1 and 3, cosines 2/√5 and 1/√5
    plain, projection = PLAIN.replace(k=1), PLAIN.replace(k=1, step_size="projection")
    assert (plain.steps(params, x)[0].item(), plain.steps(params, x)[1].item()) == (1, 3.0)
    assert (projection.steps(params, x)[0].item(), projection.steps(params, x)[1].item()) == (0, 4.0)


def test_stop_adds_the_repeated_step_and_then_ends():
    sae = PLAIN.replace(k=4, on_repeat="stop")
    params, x = {"atoms": 0.5 * jnp.eye(2)}, jnp.array([[1.0, 0.0], [1.0, 0.9]])
    indices, values = sae.steps(params, x)
    # Row 0 takes atom 0 twice; row 1 takes 0, then 1, then repeats 0.
    np.testing.assert_allclose(values, [[0.5, 0.375, 0, 0], [0.5, 0.45, 0.375, 0]], rtol=1e-6)
    assert indices[1, :3].tolist() == [0, 1, 0]
    assert sae.encode(params, x).l0().tolist() == [1, 2]


def test_tolerance_is_on_the_residual_and_strict():
    x, atoms = jnp.array([[3.0, 2.0, 1.0], [30.0, 2.0, 1.0]]), jnp.eye(3)
    counts = {
        kind: (run(Rule(3, tol_kind=kind), x, atoms, tol).values != 0).sum(1).tolist()
        for kind, tol in {"absolute": 1.5, "relative": 0.1}.items()
    }
    assert counts == {"absolute": [2, 2], "relative": [3, 1]}
    assert (run(Rule(3), x, atoms, 1.0).values != 0).sum(1).tolist() == [3, 3]  # ‖r‖ = 1 is not < 1


# --- hostile inputs ---------------------------------------------------------------------------


@pytest.mark.parametrize("select, repeat", list(itertools.product(SELECT, REPEATS)))
def test_zero_rows_and_equal_atoms(select, repeat):
    atoms = jnp.asarray(np.float32(unit_rows(0, 1, 5)).repeat(4, 0))
    x = jnp.stack([jnp.zeros(5), atoms[0], -atoms[0], 1e30 * atoms[0]])
    sae = MatchingPursuit(k=3, select=select, on_repeat=repeat, bias="none", revive="none")

    def total(params, x):
        code = sae.encode(params, x)
        return sae.decode(params, code).sum(), code

    (_, code), grads = jax.value_and_grad(total, (0, 1), has_aux=True)({"atoms": atoms}, x)
    assert code.l0().max() <= 3
    np.testing.assert_array_equal(code.dense()[0], 0.0)
    np.testing.assert_allclose(code.dense()[1].sum(), 1.0, rtol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))


@pytest.mark.parametrize("select, repeat", list(itertools.product(SELECT, REPEATS)))
@pytest.mark.parametrize("slices", [1, 3])
def test_a_bad_row_ends_and_spoils_no_other(select, repeat, slices):
    atoms = jnp.asarray(np.float32(unit_rows(0, 9, 5)))
    good = np.float32(np.random.default_rng(1).normal(size=(4, 5)))
    bad = good.copy()
    bad[1], bad[3, 0] = np.nan, np.inf
    rule = Rule(3, select, repeat, slices=slices)
    one, two = run(rule, good, atoms), run(rule, bad, atoms)
    assert ((two.indices >= 0) & (two.indices < 9)).all()
    assert not np.isfinite(two.residual[1]).any()
    assert not np.isfinite(two.residual[3]).all()
    for field in ("indices", "values", "residual"):
        np.testing.assert_array_equal(getattr(one, field)[0::2], getattr(two, field)[0::2])


def test_row_alone_is_the_row_in_a_batch():
    sae = MatchingPursuit(k=4)
    params, x = problem(sae, unit=True)
    params, x = as_jax(params, jnp.float32), jnp.float32(x)
    together = sae.encode(params, x)
    for i in (0, 5):
        alone = sae.encode(params, x[i : i + 1])
        np.testing.assert_array_equal(alone.indices[0], together.indices[i])
        np.testing.assert_allclose(alone.values[0], together.values[i], rtol=1e-5)


# --- the loss ---------------------------------------------------------------------------------


def test_hidden_atoms_are_never_taken_and_the_mask_ends_with_the_dropout_steps():
    sae = MatchingPursuit(k=3, dropout=0.6, dropout_steps=5.0, revive="none", bias="none")
    params, x = problem(sae, width=40, unit=True)
    params, x = as_jax(params, jnp.float32), jnp.float32(x)
    key = jax.random.key(4)
    seen = np.asarray(jax.random.bernoulli(key, 0.4, (40,)))
    code = sae.loss(params, x, Context(step=4, steps=10, key=key, state={}))[1]
    assert not (code.fired() & ~seen).any()
    indices, values, _ = oracle(sae, as_jax(params, None), np.float64(x), seen)
    np.testing.assert_allclose(code.dense(), dense(indices, values, 40), atol=1e-5)
    after = sae.loss(params, x, Context(step=5, steps=10, key=key, state={}))[1]
    np.testing.assert_array_equal(after.indices, sae.encode(params, x).indices)
    assert (after.fired() & ~seen).any()


def test_revival_is_the_mean_product_of_silent_atoms_with_the_residual():
    sae = MatchingPursuit(k=2, revive_weight=0.5)
    params, x = problem(sae, width=40, rows=6, unit=True)
    indices, values, residual = oracle(sae, params, x)
    silent = np.abs(dense(indices, values, 40)).max(0) < 1e-2
    assert silent.sum() > 10
    bonus = 0.5 * (params["atoms"][silent] @ residual.T).mean()
    ctx = Context(step=0, steps=1, key=jax.random.key(0), state={})
    got = sae.loss(as_jax(params, jnp.float32), jnp.float32(x), ctx)[0]
    np.testing.assert_allclose(got, (residual**2).sum(1).mean() - bonus, rtol=1e-5)


@pytest.mark.parametrize("width, bonus", [(11, 0.0), (12, 0.5 / 11)])
def test_revival_needs_more_than_ten_silent_atoms(width, bonus):
    """One step codes 2e₀ and leaves e₁, whose mean product with the silent unit vectors is 1/11."""
    sae = MatchingPursuit(k=1, bias="none", revive_weight=0.5)
    ctx = Context(step=0, steps=1, key=jax.random.key(0), state={})
    x = jnp.zeros((3, width)).at[:, 0].set(2.0).at[:, 1].set(1.0)
    loss = sae.loss({"atoms": jnp.eye(width)}, x, ctx)[0]
    np.testing.assert_allclose(loss, 1.0 - bonus, rtol=1e-6)


@pytest.mark.parametrize("slices, width", [(2, 12), (4, 14)])
def test_slices_that_do_not_fit_are_refused(slices, width):
    with pytest.raises(ValueError, match=r"sae\.slices = "):
        MatchingPursuit(k=4, slices=slices).validate(5, width)
