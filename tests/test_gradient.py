"""Gradient pursuit against a float64 loop over residuals, and what theory says of its steps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_orthogonal import check

from mpsae.code import Code
from mpsae.gradient import gradient_pursuit
from mpsae.routes.product import gram

K = 10


def oracle(x, atoms, k, tol=0.0):
    """(indices, values, residual) of each row: every product is one of the residual with an atom."""
    units = atoms / np.linalg.norm(atoms, axis=1, keepdims=True)
    out = []
    for row in x:
        taken, weights, residual = [], np.zeros(len(units)), row
        while len(taken) < k and np.linalg.norm(residual) >= tol:
            products = units @ residual
            products[taken] = -np.inf
            if products.max() < 1e-9:
                break
            taken.append(int(products.argmax()))
            way = np.zeros(len(units))
            way[taken] = units[taken] @ residual
            delta = way @ units
            weights = np.maximum(weights + (delta @ residual) / (delta @ delta) * way, 0)
            residual = row - weights @ units
        out.append((taken, weights[taken] / np.linalg.norm(atoms[taken], axis=1), residual))
    return out


@functools.partial(jax.jit, static_argnames="k")
def run(x, atoms, k, tol=0.0, table=None):
    return gradient_pursuit(x, atoms, k, tol=tol, table=table)


def problem(seed=0, batch=150, dim=20, width=40):
    """Rows of length 1 and atoms of any length that share a direction, so that weights are cut at 0."""
    draw = np.random.default_rng(seed)
    units, x = unit_rows(draw, width, dim), unit_rows(draw, batch, dim)
    return x, units * draw.uniform(0.5, 2.0, (width, 1))


def unit_rows(draw, count, dim):
    rows = draw.normal(size=(count, dim)) + 0.5
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("tol", [0.0, 0.5])
def test_the_path_is_that_of_the_loop_over_residuals(tol):
    x, atoms = problem()
    expected = oracle(x, atoms, K, tol)
    lengths = np.array([len(taken) for taken, *_ in expected])
    assert (lengths == K).mean() == pytest.approx(0.46 if tol else 0.71, abs=0.02)
    assert sum((values == 0).any() for _, values, _ in expected) > 3  # the cut is at work
    with jax.enable_x64(True):
        path = run(jnp.asarray(x), jnp.asarray(atoms), K, tol)
        assert path.values.dtype == path.residual.dtype == jnp.float64
        check(path, expected, 1e-12)
    path = run(jnp.float32(x), jnp.float32(atoms), K, tol)
    assert path.values.dtype == jnp.float32
    check(path, expected, 1e-5)


def test_length_of_rows_and_atoms_changes_only_the_values():
    x, atoms = problem()
    one = run(jnp.float32(x), jnp.float32(atoms), K)
    other = run(jnp.float32(1e12 * x), jnp.float32(1e-12 * atoms), K)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_allclose(1e-24 * np.float64(other.values), one.values, atol=1e-5)


def test_the_table_is_the_gram_matrix_of_the_unit_rows():
    x, atoms = map(jnp.float32, problem())
    units = atoms / jnp.linalg.norm(atoms, axis=1, keepdims=True)
    for one, two in zip(run(x, atoms, K), run(x, atoms, K, table=gram(units)), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


# --- theory -------------------------------------------------------------------------------------


def test_a_step_without_a_cut_lowers_the_error_by_the_square_of_its_length():
    """An exact step along a line ends where the line is orthogonal to the residual."""
    x, atoms = map(jnp.float32, problem())
    before, after = run(x, atoms, K - 1), run(x, atoms, K)
    uncut = (np.asarray(after.values) > 0).all(1)
    assert 40 < uncut.sum() < len(x)
    drop, length = (
        np.square(part).sum(1)[uncut] for part in (before.residual, before.residual - after.residual)
    )
    drop = drop - np.square(after.residual).sum(1)[uncut]
    np.testing.assert_allclose(drop, length, atol=1e-6)
    assert drop.min() > 1e-5


def test_codes_are_not_negative_and_no_atom_is_taken_twice():
    path = run(*map(jnp.float32, problem()), K)
    assert path.values.min() == 0
    for indices, values in zip(np.asarray(path.indices), np.asarray(path.values), strict=True):
        held = indices[values > 0]
        assert len(set(held)) == len(held)


def test_on_orthonormal_atoms_the_code_is_the_top_k_of_relu():
    """A row with fewer positive products than k has fewer entries: nothing is left to add."""
    atoms, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))
    x = np.random.default_rng(1).normal(size=(30, 12))
    x[0] = -atoms.sum(0)
    path = run(jnp.float32(x), jnp.float32(atoms), 5)
    products = np.maximum(x @ atoms.T, 0)
    assert {4, 5} <= set((products > 0).sum(1)) and not products[0].any()
    np.put_along_axis(products, np.argsort(-products, axis=1)[:, 5:], 0.0, axis=1)
    code = Code(values=path.values, indices=path.indices, width=12)
    np.testing.assert_allclose(code.dense(), products, atol=1e-5)
