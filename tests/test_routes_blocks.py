"""Every route on more rows than one block and on rows searched in two levels, against float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pursuit_oracle import as_jax, unit_rows

from mpsae.pursuit import pursue
from mpsae.routes.plan import choose
from mpsae.routes.rule import Encoder, Rule

RULE, ROWS, WIDTH, DIM = Rule(4, "max"), 600, 320, 24
CLEAR = 1e-5  # a gap below this may be decided by rounding


def problem(kind):
    atoms, x = unit_rows(0, WIDTH, DIM), np.random.default_rng(1).normal(size=(ROWS, DIM))
    rows = atoms + 0.05 * unit_rows(2, WIDTH, DIM)
    return atoms, (rows, 0.1 * unit_rows(3, 1, WIDTH)[0]) if kind == "encoder" else None, x


@functools.cache
def exact(kind):
    """Indices, values, residual in float64, and which rows have a clear winner at every step."""
    atoms, encoder, residual = problem(kind)
    rows, offset = encoder or (atoms, 0.0)
    every, clear = np.arange(ROWS), np.ones(ROWS, bool)
    indices, values = [], []
    for _ in range(RULE.k):
        products = residual @ rows.T + offset
        index = products.argmax(1)
        value = products[every, index]
        residual = residual - value[:, None] * atoms[index]
        products[every, index] = -np.inf
        clear &= value - products.max(1) > CLEAR
        indices.append(index)
        values.append(value)
    return np.stack(indices, 1), np.stack(values, 1), residual, clear


@functools.partial(jax.jit, static_argnums=0)
def run(route, x, atoms, encoder, table=None):
    return pursue(RULE, x, atoms, encoder, route=route, table=table)


def single(kind):
    atoms, encoder, x = as_jax(problem(kind), jnp.float32)
    return x, atoms, encoder and Encoder(*encoder)


def check(path, kind):
    indices, values, residual, clear = exact(kind)
    assert clear.mean() > 0.95
    np.testing.assert_array_equal(path.indices[clear], indices[clear])
    np.testing.assert_allclose(path.values[clear], values[clear], atol=1e-5)
    np.testing.assert_allclose(path.residual[clear], residual[clear], atol=1e-5)


@pytest.mark.parametrize("kind", ["tied", "encoder"])
@pytest.mark.parametrize("route", ["residual", "gram", "screened", "screened_gram"])
def test_blocks_of_rows_match_float64(route, kind):
    sizes = dict(k=RULE.k, batch=ROWS, dim=DIM, width=WIDTH)
    assert choose(route, **sizes, tied=True, given=False).rows < ROWS
    check(run(route, *single(kind)), kind)


@pytest.mark.parametrize("route, kind", [("gram", "tied"), ("gram", "encoder"), ("screened_gram", "tied")])
def test_a_table_given_is_the_table_made(route, kind):
    x, atoms, encoder = single(kind)
    table = jnp.matmul(atoms, (atoms if encoder is None else encoder.rows).T, precision="highest")
    check(run(route, x, atoms, encoder, table), kind)
