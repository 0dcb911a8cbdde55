"""The dials of a paired world, and what each of them changes."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from synthetic.concepts import Dials, paired

TWO = Dials(dim=24, shared=4, image_only=3, text_only=2, omission=0.6, delta=1.5, common=0.7)


def world(**fields):
    return paired(jax.random.key(0), dataclasses.replace(TWO, **fields))


def gram(made):
    atoms = np.asarray(made.atoms, np.float64)
    return atoms @ atoms.T


def test_agreeing_directions_are_one_feature_per_concept():
    made = world()
    assert made.atoms.shape == (9, 24)
    np.testing.assert_allclose(gram(made), np.eye(9), atol=1e-6)
    assert made.partner.tolist() == made.concept.tolist() == list(range(9))
    np.testing.assert_array_equal(made.modality_linear[4:], [1, 1, 1, 0, 0])


@pytest.mark.parametrize("packing", ["orthonormal", "haar", "tight"])
@pytest.mark.parametrize("theta", [0.3, 1.2, math.pi])
def test_partners_have_the_stated_angle_whatever_the_packing(theta, packing):
    made = world(theta=theta, packing=packing, dim=13 if packing == "orthonormal" else 7)
    assert made.atoms.shape[0] == 13
    assert made.partner.tolist() == [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12]
    cosines, image = gram(made), np.arange(4)
    np.testing.assert_allclose(cosines[image, image + 4], math.cos(theta), atol=1e-6)
    np.testing.assert_allclose(np.diag(cosines), 1, atol=1e-6)
    np.testing.assert_array_equal(made.modality_linear, [1] * 4 + [0] * 4 + [1] * 3 + [0] * 2)
    if packing == "orthonormal":
        cosines[image, image + 4] = cosines[image + 4, image] = 0
        np.testing.assert_allclose(cosines, np.eye(13), atol=1e-6)


@pytest.mark.parametrize("packing", ["orthonormal", "haar", "tight"])
def test_kinds_of_concepts_may_be_missing(packing):
    only_private = world(shared=0, dim=3 if packing == "tight" else 5, packing=packing)
    np.testing.assert_array_equal(only_private.modality_linear, [1, 1, 1, 0, 0])
    only_shared = world(
        image_only=0, text_only=0, dim=6 if packing == "tight" else 8, theta=1.0, packing=packing
    )
    np.testing.assert_array_equal(only_shared.modality_linear, [1] * 4 + [0] * 4)


def test_tight_directions_meet_less_than_random_ones():
    crowded = {"shared": 20, "image_only": 10, "text_only": 10, "dim": 16, "theta": 0.5}
    worst = {}
    for packing in ("haar", "tight"):
        made = world(packing=packing, **crowded)
        apart = np.asarray(made.concept)[:, None] != np.asarray(made.concept)
        worst[packing] = np.square(gram(made)[apart]).mean()
    assert worst["tight"] < 0.95 * worst["haar"]
    np.testing.assert_allclose(gram(world(packing="tight")), np.eye(9), atol=1e-6)  # there is room


@pytest.mark.parametrize("theta", [0.0, 0.6])
def test_modalities_stand_apart_by_delta_beside_the_concepts(theta):
    made = world(theta=theta)
    apart = np.asarray(made.place[0] - made.place[1], np.float64)
    middle = np.asarray(made.place.mean(0), np.float64)
    assert np.linalg.norm(apart) == pytest.approx(1.5, rel=1e-6)
    assert np.linalg.norm(middle) == pytest.approx(0.7, rel=1e-6)
    atoms = np.asarray(made.atoms, np.float64)
    np.testing.assert_allclose(atoms @ apart, 0, atol=1e-6)
    np.testing.assert_allclose(atoms @ middle, 0, atol=1e-6)
    assert middle @ apart == pytest.approx(0, abs=1e-6)


def test_delta_keeps_its_length_where_the_concepts_fill_the_space():
    made = world(dim=9)
    apart = np.asarray(made.place[0] - made.place[1], np.float64)
    assert np.linalg.norm(apart) == pytest.approx(1.5, rel=1e-6)


def test_centred_content_leaves_only_delta_and_the_common_mean():
    raw, centred = world(), world(content="centred")
    np.testing.assert_allclose(centred.row_means, raw.place, atol=1e-6)
    np.testing.assert_allclose(centred.gap, np.asarray(raw.place[0] - raw.place[1]), atol=1e-6)
    content = raw.expected @ np.asarray(raw.atoms, np.float64)
    np.testing.assert_allclose(centred.place, np.asarray(raw.place) - content, atol=1e-6)


def test_omission_spreads_what_is_shown_of_the_shared_concepts():
    made = world(shared=7)
    alpha, beta = np.asarray(made.shown)
    np.testing.assert_allclose(np.sort(alpha[:7]), np.linspace(0.4, 1, 7), atol=1e-6)
    np.testing.assert_allclose(np.sort(beta[:7]), np.linspace(0.4, 1, 7), atol=1e-6)
    assert not np.array_equal(alpha[:7], beta[:7])
    np.testing.assert_array_equal(made.shown[:, 7:], [[1, 1, 1, 0, 0], [0, 0, 0, 1, 1]])


def test_gains_have_the_stated_root_mean_square_and_decay():
    gains = {"image_gain": 2.0, "text_gain": 0.5, "image_only_gain": 3.0, "text_only_gain": 4.0}
    flat, falling = world(**gains), world(decay=1.0, **gains)
    np.testing.assert_allclose(
        flat.gain, [[2] * 4 + [3] * 3 + [0] * 2, [0.5] * 4 + [0] * 3 + [4] * 2], rtol=1e-6
    )
    squares = np.square(np.asarray(falling.gain, np.float64))
    np.testing.assert_allclose(squares[0, 0] / squares[0, :4], [1, 2, 3, 4], rtol=1e-5)
    np.testing.assert_allclose(squares[0, 4] / squares[0, 4:7], [1, 2, 3], rtol=1e-5)
    assert squares[0, :4].mean() == pytest.approx(4) and squares[1, 7:].mean() == pytest.approx(16)


def test_magnitudes_are_coupled_or_independent():
    for magnitudes, factor in (("coupled", 1.09), ("independent", 1.0)):
        made = world(magnitudes=magnitudes, omission=0.0)
        assert made.cross_moment()[0, 0] == pytest.approx(0.1 * factor, rel=1e-6)


def test_the_bridge_of_orthonormal_concepts_is_diagonal_and_on_the_shared_ones():
    bridge = world(content="centred").bridge(centred=True)
    np.testing.assert_allclose(bridge - np.diag(np.diag(bridge)), 0, atol=1e-9)
    assert (np.diag(bridge)[:4] > 0.01).all()
    np.testing.assert_allclose(np.diag(bridge)[4:], 0, atol=1e-12)


def test_worlds_of_one_key_agree_and_others_differ():
    one, same = world(), world()
    other = paired(jax.random.key(1), TWO)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(same), strict=True))
    assert np.abs(one.atoms - other.atoms).max() > 0.1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"dim": 8}, ["dim = 8", "at least 9", "orthonormal", "haar"]),
        ({"theta": 0.3, "dim": 12}, ["dim = 12", "at least 13"]),
        ({"dim": 1}, ["dim = 1", "at least 2"]),
        ({"shared": -1}, ["shared = -1", "at least 0"]),
        ({"shared": 0, "text_only": 0}, ["shared = 0", "text_only = 0", "each modality a concept"]),
        ({"presence": 0.0}, ["presence = 0.0", "above 0"]),
        ({"omission": 1.0}, ["omission = 1.0", "below 1"]),
        ({"kappa": 2.0}, ["kappa = 2.0", "0.001 to 1"]),
        ({"theta": 4.0}, ["theta = 4.0", "0 to pi"]),
        ({"image_gain": 0.0}, ["image_gain = 0.0", "above 0"]),
        ({"delta": -1.0}, ["delta = -1.0", "at least 0"]),
        ({"noise": float("nan")}, ["noise = nan", "at least 0"]),
        ({"packing": "tigth"}, ["packing = 'tigth'", "orthonormal, haar, tight"]),
        ({"magnitudes": "both"}, ["magnitudes = 'both'", "coupled, independent"]),
        ({"content": "mean"}, ["content = 'mean'", "raw, centred"]),
        ({"norm": "sphere"}, ["norm = 'sphere'", "free, unit"]),
    ],
)
def test_impossible_dials_are_refused(bad, words):
    with pytest.raises(ValueError) as error:
        world(**bad)
    assert all(word in str(error.value) for word in [*words, "must"]), str(error.value)
