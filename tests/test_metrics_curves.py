"""Curves over inference sparsity: what pursuits promise, and the three scalars in closed form."""

import numpy as np
import pytest
from scoring import Identity, Pursuit, Rows, family, orthonormal, sampled

from mpsae.inference import curves
from mpsae.metrics.curves import auc_k, grid, k90, overshoot
from mpsae.score import score

RNG = np.random.default_rng(0)


def curve(result, name):
    return {int(value.at["k"]): value.value for row, value in result.rows if row == name}


def test_pursuit_steps_never_rise_and_orthonormal_steps_are_the_largest():
    world = family(orthonormal(5, 8))
    x, z = sampled(world)
    result = curves(Pursuit(k=2), {"atoms": np.asarray(world.atoms)}, Rows(x, z, world), ks=(1, 2, 4))
    steps = curve(result, "curve_steps_nmse")
    assert steps[1] >= steps[2] >= steps[4] and steps[4] == pytest.approx(0, abs=1e-6)
    largest = curve(result, "curve_largest_nmse")
    assert largest[1] == pytest.approx(steps[1], abs=1e-6) and largest[2] == pytest.approx(steps[2], abs=1e-6)
    assert largest[4] == pytest.approx(largest[2])  # two steps leave no third code
    assert result.n == len(x)


def test_overcomplete_steps_never_rise():
    atoms = RNG.normal(size=(20, 6))
    params = {"atoms": (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)}
    result = curves(Pursuit(k=8), params, Rows(RNG.normal(size=(80, 6))), ks=(1, 2, 4, 8))
    steps, largest = curve(result, "curve_steps_nmse"), curve(result, "curve_largest_nmse")
    assert steps[1] >= steps[2] >= steps[4] >= steps[8]
    assert largest[1] > steps[1] and largest[8] <= largest[1]  # 8 steps kept to 1 are not 1 step


def test_without_k_both_curves_cut_the_existing_codes():
    z = RNG.random((50, 6)) * (RNG.random((50, 6)) < 0.5)
    result = curves(Identity(), {"atoms": np.eye(6, dtype=np.float32)}, Rows(z + 0.01), ks=(1, 3, 6))
    assert curve(result, "curve_steps_ev") == curve(result, "curve_largest_ev")
    kept = np.sort(np.square(z + 0.01), axis=1)[:, ::-1]
    expected = (kept[:, 3:].sum(1) / kept.sum(1)).mean()
    assert curve(result, "curve_largest_nmse")[3] == pytest.approx(expected, abs=1e-6)
    assert result.value("curve_largest_overshoot") is None
    full = score(Identity(), {"atoms": np.eye(6, dtype=np.float32)}, Rows(z + 0.01), metrics=("ev",))
    assert curve(result, "curve_largest_ev")[6] == pytest.approx(full.value("ev"))


def test_the_grid_holds_powers_of_two_and_the_trained_k():
    assert grid(20) == [1, 2, 4, 8, 16]
    assert grid(20, also=5) == [1, 2, 4, 5, 8, 16] and grid(4, also=9) == [1, 2, 4]


def test_scalars_by_the_closed_form():
    ev = {1: 0.2, 2: 0.5, 4: 0.82, 8: 0.9}
    assert k90(ev).value == 4
    assert auc_k(ev).value == pytest.approx((0.35 + 0.66 + 0.86) / 3)
    assert overshoot({1: 0.9, 2: 0.4, 4: 0.6, 8: 0.5}, 2).value == pytest.approx(0.2)
    assert overshoot({1: 0.9, 2: 0.4, 4: 0.3}, 2).value == pytest.approx(-0.1)
    assert k90({1: -1.0, 2: -0.5}).value is None and auc_k({1: 0.3}).value is None
    assert overshoot({1: 0.9}, None).value is None and k90({1: None, 2: 0.5}).value == 2
