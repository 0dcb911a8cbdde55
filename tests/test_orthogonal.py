"""Orthogonal pursuit against plain least squares on every support, and what theory says of it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from pursuit_oracle import run as match
from pursuit_oracle import unit_rows

from mpsae import orthogonal, refit
from mpsae.orthogonal import orthogonal_pursuit
from mpsae.routes.product import gram
from mpsae.routes.rule import Rule

KINDS = [("max", "least_squares"), ("abs", "least_squares"), ("max", "nonnegative")]
SOLVE = {
    "least_squares": lambda atoms, x: np.linalg.lstsq(atoms.T, x, rcond=None)[0],
    "nonnegative": lambda atoms, x: scipy.optimize.nnls(atoms.T, x)[0],
}


def oracle(x, atoms, k, select, fit, tol=0.0):
    """(indices, values, residual) of each row: a system solved from nothing after every atom."""
    out = []
    for row in x:
        taken, values, residual = [], np.zeros(0), row
        while len(taken) < k and np.linalg.norm(residual) >= tol:
            products = (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)) @ residual
            scores = np.abs(products) if select == "abs" else products
            scores[taken] = -np.inf
            if scores.max() < 1e-9:
                break
            taken.append(int(scores.argmax()))
            values = SOLVE[fit](atoms[taken], row)
            residual = row - values @ atoms[taken]
        out.append((taken, values, residual))
    return out


@functools.partial(jax.jit, static_argnames=("k", "select", "fit"))
def run(x, atoms, k, select="max", fit="least_squares", tol=0.0, table=None):
    return orthogonal_pursuit(x, atoms, k, select=select, fit=fit, tol=tol, table=table)


def problem(seed=0, batch=45, dim=12, width=40):
    draw = np.random.default_rng(seed + 100)
    atoms = unit_rows(seed, width, dim) * draw.uniform(0.5, 2.0, (width, 1))
    return draw.normal(size=(batch, dim)), atoms


def check(path, expected, atol):
    for n, (taken, values, residual) in enumerate(expected):
        count = len(taken)
        np.testing.assert_array_equal(path.indices[n, :count], taken)
        np.testing.assert_allclose(path.values[n, :count], values, atol=atol)
        np.testing.assert_array_equal(path.values[n, count:], 0.0)
        np.testing.assert_allclose(path.residual[n], residual, atol=atol)


@pytest.mark.parametrize("select, fit", KINDS)
@pytest.mark.parametrize("tol", [0.0, 1.2])
def test_the_path_is_that_of_plain_solves(select, fit, tol):
    x, atoms = problem()
    expected = oracle(x, atoms, 7, select, fit, tol)
    assert (len({len(taken) for taken, _, _ in expected}) > 1) == (tol > 0)
    with jax.enable_x64(True):
        path = run(jnp.asarray(x), jnp.asarray(atoms), 7, select, fit, tol)
        assert path.values.dtype == path.residual.dtype == jnp.float64
        check(path, expected, 1e-10)
    path = run(jnp.float32(x), jnp.float32(atoms), 7, select, fit, tol)
    assert path.values.dtype == jnp.float32
    check(path, expected, 1e-4)


def test_nonnegative_weights_go_back_to_zero_and_return():
    """Otherwise the fit above would be least squares that happens to be positive."""
    x, atoms = problem()
    ended = [values for _, values, _ in oracle(x, atoms, 7, "max", "nonnegative")]
    assert sum((values == 0).any() for values in ended) > 3
    signed = [values for _, values, _ in oracle(x, atoms, 7, "max", "least_squares")]
    assert sum((values < 0).any() for values in signed) > 3


def test_the_table_is_the_gram_matrix_of_the_unit_rows():
    x, atoms = map(jnp.float32, problem())
    units = atoms / jnp.linalg.norm(atoms, axis=1, keepdims=True)
    for one, two in zip(run(x, atoms, 5), run(x, atoms, 5, table=gram(units)), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("option", ["select", "fit"])
def test_an_unknown_option_is_refused(option):
    with pytest.raises(ValueError, match=f"{option} = 'nope'"):
        orthogonal_pursuit(jnp.ones((1, 2)), jnp.eye(2), 1, **{option: "nope"})


# --- theory -------------------------------------------------------------------------------------


@pytest.mark.parametrize("select, fit", KINDS)
def test_the_residual_meets_the_conditions_of_the_best_weights(select, fit):
    x, atoms = (jnp.float32(part) for part in problem(1, 70, 30, 200))
    path = run(x, atoms, 12, select, fit)
    chosen = np.asarray(atoms)[path.indices]
    products = np.einsum("bkd,bd->bk", chosen / np.linalg.norm(chosen, axis=2, keepdims=True), path.residual)
    held = np.asarray(path.values) != 0
    assert held.sum(1).min() > 3
    assert np.abs(products[held]).max() < 2e-5
    assert products.max() < 1e-4
    np.testing.assert_allclose(path.residual, x - np.einsum("bk,bkd->bd", path.values, chosen), atol=1e-5)
    if fit == "nonnegative":
        assert (np.asarray(path.values) >= 0).all()


def test_no_atom_is_taken_twice_and_the_support_is_a_prefix_but_the_weights_are_not():
    x, atoms = map(jnp.float32, problem(2, 40, 20, 60))
    long, short = run(x, atoms, 9), run(x, atoms, 5)
    assert all(len(set(row)) == 9 for row in np.asarray(long.indices).tolist())
    np.testing.assert_array_equal(long.indices[:, :5], short.indices)
    assert np.abs(long.values[:, :5] - short.values).max() > 0.1


@pytest.mark.parametrize("select, fit", KINDS)
def test_an_orthonormal_dictionary_gives_the_k_largest(select, fit):
    draw = np.random.default_rng(3)
    atoms = np.linalg.qr(draw.normal(size=(16, 16)))[0]
    x = draw.normal(size=(20, 16))
    path = run(jnp.float32(x), jnp.float32(atoms), 4, select, fit)
    products = x @ atoms.T
    order = np.argsort(-(np.abs(products) if select == "abs" else products), axis=1)[:, :4]
    np.testing.assert_array_equal(path.indices, order)
    np.testing.assert_allclose(path.values, np.take_along_axis(products, order, 1), atol=1e-5)


def test_the_error_is_below_that_of_matching_pursuit():
    x, atoms = jnp.float32(problem(4, 200, 24, 96)[0]), jnp.float32(unit_rows(4, 96, 24))
    previous = None
    for k in (1, 2, 4, 8):
        ours = np.square(run(x, atoms, k, "abs").residual).sum(1)
        theirs = np.square(match(Rule(k, "abs", "ban"), x, atoms).residual).sum(1)
        # One atom is the same; two never worse, as the second choice agrees too.
        assert (ours <= theirs * (1 + 1e-5)).mean() > (0.999 if k <= 2 else 0.8)
        assert k == 1 or ours.mean() < theirs.mean()
        assert previous is None or (ours < previous).all()
        previous = ours


def test_rows_made_of_few_atoms_are_found_exactly():
    draw, atoms = np.random.default_rng(5), unit_rows(5, 128, 64)
    code = np.zeros((50, 128))
    for row in code:
        row[draw.choice(128, 4, replace=False)] = draw.uniform(1.0, 2.0, 4)
    path = run(jnp.float32(code @ atoms), jnp.float32(atoms), 8)
    found = np.zeros_like(code)
    np.add.at(found, (np.arange(50)[:, None], path.indices), path.values)
    exact = np.abs(found - code).max(1) < 1e-4
    assert exact.mean() > 0.9
    # Nothing is left after 4 atoms, so no atom of noise is added.
    assert ((np.asarray(path.values) != 0).sum(1)[exact] == 4).mean() > 0.9


# --- hostile inputs -----------------------------------------------------------------------------


@pytest.mark.parametrize("select, fit", KINDS)
def test_zero_rows_equal_atoms_and_huge_rows(select, fit):
    atoms = jnp.asarray(np.float32(unit_rows(0, 1, 5)).repeat(4, 0)).at[3].set(0.0)
    x = jnp.stack([jnp.zeros(5), atoms[0], -atoms[0], 1e30 * atoms[0], 1e-20 * atoms[0]])
    path = run(x, atoms, 3, select, fit)
    negative = 0.0 if select == "max" else -1.0
    expected = np.array([0.0, 1.0, negative, 1e30, 1e-20])
    taken = np.asarray(path.values[:, 0]) != 0
    np.testing.assert_array_equal(np.asarray(path.indices[:, 0])[taken], 0)
    np.testing.assert_allclose(path.values[:, 0], expected, rtol=1e-6)
    np.testing.assert_array_equal(path.values[:, 1:], 0.0)


@pytest.mark.parametrize("select, fit", KINDS)
def test_k_beyond_the_rank_ends_where_nothing_is_left(select, fit):
    """Dim 6 and 20 atoms: at most 6 independent ones; a bad condition must not blow weights up."""
    x, atoms = map(jnp.float32, problem(6, 40, 6, 20))
    path = run(x, atoms, 15, select, fit)
    count = (np.asarray(path.values) != 0).sum(1)
    assert count.max() <= 6
    size = np.linalg.norm(x, axis=1)
    left = np.linalg.norm(path.residual, axis=1)
    if select == "abs":
        assert (left < 2e-2 * size).all()
    assert np.isfinite(path.values).all()
    assert (left <= np.linalg.norm(run(x, atoms, 3, select, fit).residual, axis=1) + 1e-5).all()


def test_nearly_equal_atoms_end_a_row_before_weights_grow():
    base = unit_rows(7, 2, 8)
    twin = base[0] + 1e-3 * base[1]
    atoms = jnp.float32(np.stack([base[0], twin / np.linalg.norm(twin)]))
    x = jnp.float32(base[:1] + base[1:])
    path = run(x, atoms, 2, "abs")
    assert np.abs(path.values).max() < 3.0
    with jax.enable_x64(True):  # 1e-3 is far from dependent there
        values = np.abs(run(jnp.float64(x), jnp.float64(atoms), 2, "abs").values)
    assert values.max() > 100


@pytest.mark.parametrize("select, fit", KINDS)
def test_a_bad_row_spoils_no_other_and_a_row_alone_is_the_row_in_a_batch(select, fit):
    x, atoms = (np.float32(part) for part in problem(8, 70))
    bad = x.copy()
    bad[1], bad[33, 0] = np.nan, np.inf
    one, two = run(x, atoms, 4, select, fit), run(bad, atoms, 4, select, fit)
    good = [n for n in range(70) if n not in (1, 33)]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a[np.array(good)], b[np.array(good)])
    assert not np.isfinite(two.residual[1]).any()
    assert ((two.indices >= 0) & (two.indices < len(atoms))).all()
    alone = run(x[40:41], atoms, 4, select, fit)
    np.testing.assert_array_equal(alone.indices[0], one.indices[40])
    np.testing.assert_allclose(alone.values[0], one.values[40], rtol=1e-5, atol=1e-6)


def test_blocks_do_not_change_the_path(monkeypatch):
    x, atoms = map(jnp.float32, problem(9, 37))
    one = run(x, atoms, 4)
    monkeypatch.setattr(orthogonal, "BLOCKS", {})
    two = jax.jit(lambda x: orthogonal_pursuit(x, atoms, 4))(x)
    np.testing.assert_array_equal(one.indices, two.indices)
    np.testing.assert_allclose(one.values, two.values, atol=1e-5)


def test_the_nonnegative_fit_cut_short_is_feasible_and_no_worse_than_without_the_atom(monkeypatch):
    monkeypatch.setattr(refit, "INNER", 1)
    x, atoms = map(jnp.float32, problem(10, 64, 12, 60))
    before = None
    for k in (2, 6):
        path = jax.jit(lambda x, k=k: orthogonal_pursuit(x, atoms, k, fit="nonnegative"))(x)
        assert (np.asarray(path.values) >= 0).all()
        error = np.square(path.residual).sum(1)
        assert before is None or (error <= before * (1 + 1e-5) + 1e-6).all()
        before = error
