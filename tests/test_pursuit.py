"""Matching pursuit against plain loops, on every option, on hostile rows, and inside the loss."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pursuit_oracle import (
    CASES,
    PLAIN,
    as_jax,
    build,
    check_against_oracle,
    dense,
    label,
    oracle,
    problem,
    run,
    unit_rows,
)

from mpsae.pursuit import WAYS, pursue
from mpsae.routes.rule import REPEATS, SELECT, Rule
from mpsae.sae import Context
from mpsae.saes.mp import PRESETS, MatchingPursuit


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


# --- hostile inputs ---------------------------------------------------------------------------


@pytest.mark.parametrize("select, repeat", list(itertools.product(SELECT, REPEATS)))
def test_zero_rows_and_equal_atoms(select, repeat):
    atoms = jnp.asarray(np.float32(unit_rows(0, 1, 5)).repeat(4, 0))
    x = jnp.stack([jnp.zeros(5), atoms[0], -atoms[0], 1e30 * atoms[0]])
    sae = MatchingPursuit(k=3, select=select, on_repeat=repeat, bias="none", revive="none")

    def total(params, x):
        code = sae.encode(params, x)
        return sae.decode(params, code).sum(), code

    (_, code), grads = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))({"atoms": atoms}, x)
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


@pytest.mark.parametrize("route", WAYS)
def test_a_batch_of_no_rows_has_no_codes_and_no_gradient(route):
    def total(x, atoms):
        path = pursue(Rule(2), x, atoms, route=route)
        return path.values.sum() + path.residual.sum(), path

    graded = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))
    (_, path), grads = graded(jnp.zeros((0, 3)), jnp.eye(3))
    assert path.indices.shape == path.values.shape == (0, 2) and path.residual.shape == (0, 3)
    np.testing.assert_array_equal(grads[1], np.zeros((3, 3)))


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
