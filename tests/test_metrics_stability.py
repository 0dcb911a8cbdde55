"""Two dictionaries: the same permuted, flipped, padded, weighted."""

import numpy as np
import pytest
from scoring import orthonormal

from mpsae.metrics.stability import stability, stability_abs, stability_energy, stability_null

RNG = np.random.default_rng(0)
ATOMS = RNG.normal(size=(12, 6))
ORDER = RNG.permutation(12)
ENERGY = RNG.random(12)


def test_the_same_dictionary_permuted_and_rescaled_is_1():
    other = ATOMS[ORDER] * RNG.uniform(0.1, 9, size=(12, 1))
    assert stability(ATOMS, other).value == pytest.approx(1)
    assert stability_abs(ATOMS, other).value == pytest.approx(1)
    assert stability_energy(ATOMS, other, ENERGY, ENERGY[ORDER]).value == pytest.approx(1)


def test_a_sign_flip_separates_the_two_conventions():
    atoms = orthonormal(4, 4)
    assert stability(atoms, -atoms).value == pytest.approx(0, abs=1e-12)
    assert stability_abs(atoms, -atoms).value == pytest.approx(1)


def test_energy_weights_by_the_closed_form():
    atoms, other = np.eye(3), np.eye(3)
    other[2] = [0, 0.6, 0.8]
    value = stability_energy(atoms, other, np.array([1.0, 1, 2]), np.array([2.0, 2, 4]))
    assert value.value == pytest.approx(0.25 + 0.25 + 0.5 * 0.8)
    assert stability(atoms, other).value == pytest.approx((2 + 0.8) / 3)


def test_the_null_permutes_energies_and_repeats():
    other = ATOMS[ORDER] + 0.5 * RNG.normal(size=(12, 6))
    null = stability_null(ATOMS, other, ENERGY, ENERGY[ORDER], seed=1)
    assert null == stability_null(ATOMS, other, ENERGY, ENERGY[ORDER], seed=1)
    assert null != stability_energy(ATOMS, other, ENERGY, ENERGY[ORDER])
    flat = np.ones(12)
    assert stability_null(ATOMS, other, flat, flat).value == pytest.approx(stability(ATOMS, other).value)


def test_dead_padding_never_helps():
    padded = np.pad(ATOMS, ((0, 3), (0, 0)))
    assert stability(padded, ATOMS).value == pytest.approx(1)
    assert stability(padded, padded).value == pytest.approx(12 / 15)
    assert stability(np.zeros((2, 3)), np.zeros((2, 3))).value == 0
    assert stability_energy(ATOMS, ATOMS, np.zeros(12), np.zeros(12)).value is None
