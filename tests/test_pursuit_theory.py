"""What theory says of a pursuit: energy, prefixes, orthonormal atoms, merged atoms, stopping."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pursuit_oracle import PLAIN, dense, run, unit_rows

from mpsae.routes.rule import REPEATS, SELECT, Rule

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
