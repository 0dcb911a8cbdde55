"""Norm rules: idempotent, finite on zero rows, and the tangent really is one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.norms import NORMS, lengths

RNG = np.random.default_rng(0)
# Norms below, at and above 1, a zero row, a tiny and a huge one.
SCALES = np.array([0.3, 1.0, 1.7, 5.0, 0.0, 1e-15, 1e15])
UNIT = RNG.normal(size=(len(SCALES), 4))
UNIT /= np.linalg.norm(UNIT, axis=1, keepdims=True)
ATOMS = (SCALES[:, None] * UNIT).astype(np.float32)
GRAD = RNG.normal(size=ATOMS.shape).astype(np.float32)


def safe(norms):
    return np.where(norms > 0, norms, 1.0)


ORACLES = {
    "init": lambda atoms, norms: atoms,
    "project": lambda atoms, norms: atoms / safe(norms),
    "tangent": lambda atoms, norms: atoms / safe(norms),
    "ball": lambda atoms, norms: atoms / np.maximum(norms, 1.0),
    "max": lambda atoms, norms: atoms / norms.max(),
}


def test_every_rule_has_an_oracle():
    assert set(ORACLES) == set(NORMS)


@pytest.mark.parametrize("name", NORMS)
def test_projection_matches_oracle_and_is_idempotent(name):
    atoms = ATOMS.astype(float)
    expected = ORACLES[name](atoms, np.linalg.norm(atoms, axis=1, keepdims=True))
    once = NORMS[name].project(jnp.asarray(ATOMS))
    np.testing.assert_allclose(once, expected, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(NORMS[name].project(once), once, rtol=3e-7, atol=1e-30)
    assert once.dtype == jnp.float32


@pytest.mark.parametrize("name", NORMS)
def test_all_zero_atoms_stay_zero(name):
    zero = jnp.zeros((3, 4))
    np.testing.assert_array_equal(NORMS[name].project(zero), 0.0)
    np.testing.assert_array_equal(NORMS[name].project_grad(zero, jnp.ones((3, 4))), 1.0)


@pytest.mark.parametrize("name", NORMS)
def test_gradient_through_projection_is_finite_everywhere(name):
    grad = jax.grad(lambda atoms: (NORMS[name].project(atoms) * GRAD).sum())(jnp.asarray(ATOMS))
    assert np.isfinite(grad).all()


def test_tangent_is_orthogonal_to_the_atom_whatever_its_length():
    rows = ATOMS[:4]
    moved = np.asarray(NORMS["tangent"].project_grad(jnp.asarray(rows), jnp.asarray(GRAD[:4])), float)
    unit = UNIT[:4]
    expected = GRAD[:4] - (GRAD[:4] * unit).sum(1, keepdims=True) * unit
    np.testing.assert_allclose(moved, expected, atol=1e-6)
    np.testing.assert_allclose((moved * unit).sum(1), 0, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NORMS if name != "tangent"])
def test_other_rules_leave_the_gradient(name):
    np.testing.assert_array_equal(NORMS[name].project_grad(jnp.asarray(ATOMS), jnp.asarray(GRAD)), GRAD)


def test_lengths_and_their_gradient():
    rows = jnp.asarray(ATOMS[:5])
    expected = [[0.3], [1.0], [1.7], [5.0], [1.0]]  # 1 stands in for the zero row
    np.testing.assert_allclose(lengths(rows), expected, rtol=1e-6)
    grad = jax.grad(lambda atoms: lengths(atoms).sum())(rows)
    np.testing.assert_allclose(grad[:4], UNIT[:4], rtol=1e-5)
    np.testing.assert_array_equal(grad[4], 0.0)


def test_a_row_too_long_to_square_is_shortened_not_erased():
    long = jnp.asarray([[3e25, 4e25]])
    np.testing.assert_allclose(NORMS["project"].project(long), [[0.6, 0.8]], rtol=1e-5)
    np.testing.assert_allclose(NORMS["ball"].project(long), [[0.6, 0.8]], rtol=1e-5)
