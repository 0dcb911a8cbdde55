"""The map of codes: shared codes lie together, separate ones apart; made only when asked for."""

import numpy as np
from scipy.sparse import csr_array
from scoring import Affine, Identity

from mpsae.metrics.base import Pool, Side, Value
from mpsae.metrics.code_map import code_map
from mpsae.pairs import paired_arrays
from mpsae.score import score

RNG = np.random.default_rng(0)


def codes(low, high, rows=80):
    """Three equal entries a row among the latents low..high."""
    dense = np.zeros((rows, 60))
    for row in dense:
        row[RNG.choice(np.arange(low, high), 3, replace=False)] = 1.0
    return dense


def drawn(image, text):
    sides = (Side(np.zeros((len(z), 1)), np.zeros((len(z), 1)), csr_array(z)) for z in (image, text))
    return code_map(Pool(*sides, np.zeros(1)))


def neighbours_of_other_side(places):
    flat = places.reshape(-1, 2)
    distance = np.square(flat[:, None] - flat[None]).sum(-1) + np.diag(np.full(len(flat), np.inf))
    side = np.arange(len(flat)) >= len(flat) // 2
    return np.mean(side != side[distance.argmin(1)])


def test_disjoint_codes_lie_apart_and_shared_ones_together():
    assert neighbours_of_other_side(drawn(codes(0, 30), codes(30, 60)).array) == 0
    same = codes(0, 60)
    assert neighbours_of_other_side(drawn(same, same).array) > 0.9


def test_rows_without_a_code_are_left_out():
    image = codes(0, 60)
    image[3] = 0
    places = drawn(image, codes(0, 60)).array
    assert np.isnan(places[0, 3]).all() and np.isnan(places).sum() == 2
    assert isinstance(drawn(0 * image, codes(0, 60)), Value)


def test_only_on_request():
    rows = RNG.normal(size=(60, 3)) + 1
    data = paired_arrays(rows, rows, np.stack([np.arange(60)] * 2, 1), np.stack([np.arange(60)] * 2, 1))
    params = {"atoms": np.eye(3, dtype=np.float32)}
    asked = score(Identity(), params, data, metrics=["l0"], also=["code_map"])
    assert set(asked.matrices) == {"code_map"}
    usual = score(Affine(), params | {"scale": np.float32(1), "shift": np.float32(0)}, data)
    assert "code_map" not in usual.matrices and usual.value("l0") == 3
