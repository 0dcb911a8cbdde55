"""The certificate of a screened choice: the bound bounds, what it certifies is exact, and it is needed."""

import functools
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pursuit_oracle import unit_rows

from mpsae import pursuit
from mpsae.pursuit import MANY, REPAIR, WAYS, pursue
from mpsae.routes import screened
from mpsae.routes.rule import Dictionary, Encoder, Rule
from mpsae.routes.walk import View, walk

LOW = ("screened", "screened_gram")
COPIES, CLUSTERS, DIM = 12, 3, 16
RULE = Rule(CLUSTERS)


# --- the bound --------------------------------------------------------------------------------


def coherent(seed):
    return unit_rows(seed, 1, 20) + 0.02 * np.random.default_rng(seed).normal(size=(60, 20))


ATOMS, X = unit_rows(0, 60, 20), unit_rows(1, 5, 20)
PROBLEMS = {  # atoms, encoder or None, rows, steps
    "generic": (ATOMS, None, X, 6),
    "coherent": (coherent(0), None, X + unit_rows(0, 1, 20), 6),
    "long": (50 * ATOMS, None, 1e3 * X, 6),  # the residual explodes
    "short": (1e-3 * ATOMS, None, X, 6),
    "tiny": (ATOMS, None, 1e-19 * X, 6),  # squares underflow
    "exhausted": (unit_rows(3, 9, 2), None, unit_rows(4, 5, 2), 40),
    "one_dim": (np.float64([[1.0], [0.7], [1 / 3]]), None, np.float64([[1.1], [1e-3], [0.0]]), 12),
    "encoder": (ATOMS, (coherent(5), 0.1 * X[0, 0] * np.arange(60)), X, 6),
    # All products are exact in bfloat16, so that nothing but the offset is rounded.
    "offset": (np.eye(60, 20), (np.eye(60, 20), np.linspace(1e4, 2e4, 60)), 0.3125 * np.eye(5, 20), 6),
}


def single(values):
    return jnp.asarray(values, jnp.float32)


def as_book(atoms, encoder):
    return Dictionary(single(atoms), encoder and Encoder(*map(single, encoder)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def screened_steps(steps, name, book, x):
    """(residual, screened products, bound) of every step, without an end of the row."""
    way, rule = WAYS[name], Rule(steps, "max")
    tables = way.prepare(book, None)

    def step(carry, t):
        residual, state = carry
        with mock.patch.object(screened, "decide", wraps=screened.decide) as decide:
            view = View(rule, t, jnp.zeros((steps, len(x)), jnp.int32))
            index, value, _ = way.pick(book, tables, state, residual, view)
        _, limits, scores, *_, rounded, slack, _ = decide.call_args.args
        bound = screened._bound(limits, residual, rounded, slack)
        state = way.advance(book, tables, state, index, value)
        after = residual - value[:, None] * book.atoms[index]
        return (after, state), (residual, scores, bound)

    return jax.lax.scan(step, (x, way.start(book, tables, x, rule)), jnp.arange(steps))[1]


@pytest.mark.parametrize("name", LOW)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_no_screened_product_is_farther_off_than_the_bound(problem, name):
    """Against float64 products of the very residual that the step sees."""
    *dictionary, x, steps = PROBLEMS[problem]
    book = as_book(*dictionary)
    residual, scores, bound = map(np.float64, screened_steps(steps, name, book, single(x)))
    exact = residual @ np.float64(book.rows).T
    if book.encoder is not None:
        exact += np.float64(book.encoder.offset)
    assert np.isfinite(bound).all()
    assert (np.abs(scores - exact) <= bound[:, :, None]).all()
    used = bound > 2e-18  # where the residual is not all but 0 the bound is not empty
    scale = np.abs(exact).max(2) + np.linalg.norm(x, axis=1)
    assert (bound[used] <= 0.1 * np.maximum(scale, 1e-3)[used]).all() or problem in ("short", "long")


# --- what is certified ------------------------------------------------------------------------


@functools.partial(jax.jit, static_argnums=(0, 1))
def walked(rule, name, book, x):
    way = WAYS[name]
    tables = way.prepare(book, None)
    return walk(rule, way, book, tables, 0.0, x, way.start(book, tables, x, rule))


@pytest.mark.parametrize("name", LOW)
@pytest.mark.parametrize("rule", [Rule(4), Rule(4, "abs", "ban")])
def test_certified_rows_walk_the_exact_path(rule, name):
    atoms = unit_rows(0, 30, 12).repeat(10, 0) + 0.01 * unit_rows(1, 300, 12)
    book, x = as_book(atoms, None), single(unit_rows(2, 200, 12))
    *low, sure = walked(rule, name, book, x)
    *exact, always = walked(rule, "residual", book, x)
    assert always.all() and 10 < sure.sum() < 200
    np.testing.assert_array_equal(low[0][sure], exact[0][sure])
    np.testing.assert_allclose(low[1][sure], exact[1][sure], atol=1e-6)


# --- ties that bfloat16 cannot tell -------------------------------------------------------------


def near_ties(rows, doubtful):
    """(atoms, x): clusters of more copies than candidates, equal in bfloat16, the last the longest.

    Rows from `doubtful` on lie along atoms of their own and are certain.
    """
    assert COPIES > screened.CANDIDATES
    signs = np.array([[(-1.0) ** bin(i & j).count("1") for j in range(DIM)] for i in range(DIM)])
    lengths = 0.25 * (1 + np.arange(COPIES) * 2.0**-12)
    clusters = (lengths[None, :, None] * signs[:CLUSTERS, None]).reshape(-1, DIM)
    others = 0.25 * signs[CLUSTERS : 2 * CLUSTERS]
    rounded = np.float32(jnp.asarray(clusters, jnp.bfloat16)).reshape(CLUSTERS, COPIES, DIM)
    assert (rounded == rounded[:, :1]).all()
    weights = np.array([4.0, 2.0, 1.0]) + 0.1 * np.random.default_rng(0).random((rows, CLUSTERS))
    along = np.where(
        np.arange(rows)[:, None, None] < doubtful, signs[:CLUSTERS], signs[CLUSTERS : 2 * CLUSTERS]
    )
    return single(np.concatenate([clusters, others])), single((weights[:, :, None] * along).sum(1) / 4)


@functools.partial(jax.jit, static_argnums=0)
def run(route, atoms, x):
    return pursue(RULE, x, atoms, route=route)


def check_near_ties(name, rows, doubtful, run=run):
    atoms, x = near_ties(rows, doubtful)
    wanted = run("residual", atoms, x)
    longest = [COPIES * (n + 1) - 1 for n in range(CLUSTERS)]
    np.testing.assert_array_equal(wanted.indices[:doubtful], np.tile(longest, (doubtful, 1)))
    got = run(name, atoms, x)
    np.testing.assert_array_equal(got.indices, wanted.indices)
    np.testing.assert_allclose(got.values, wanted.values, atol=1e-6)
    np.testing.assert_allclose(got.residual, wanted.residual, atol=1e-6)


FEW, ROWS = REPAIR + 2, (REPAIR + 2) * MANY  # two chunks, the second one not full
CASES = {
    "none": (ROWS, 0),
    "chunks": (ROWS, FEW),
    "whole": (ROWS, FEW + 1),
    "all": (ROWS, ROWS),
    "tiny": (3, 1),
}


@pytest.mark.parametrize("name", LOW)
@pytest.mark.parametrize("rows, doubtful", CASES.values(), ids=CASES)
def test_near_ties_are_decided_as_by_the_exact_route(rows, doubtful, name):
    atoms, x = near_ties(rows, doubtful)
    sure = walked(RULE, name, Dictionary(atoms, None), x)[-1]
    np.testing.assert_array_equal(sure, np.arange(rows) >= doubtful)
    check_near_ties(name, rows, doubtful)


@pytest.mark.parametrize("name", LOW)
def test_without_the_certificate_near_ties_are_lost(name, monkeypatch):
    way = WAYS[name]

    def credulous(*args):
        return *way.pick(*args)[:2], True

    monkeypatch.setitem(pursuit.WAYS, name, way._replace(pick=credulous))
    with pytest.raises(AssertionError, match="Arrays are not equal"):
        check_near_ties(name, *CASES["tiny"], run=lambda *args: run.__wrapped__(*args))
