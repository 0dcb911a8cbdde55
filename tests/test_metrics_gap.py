"""Closed forms of the gap, and the values measured on 500 real pairs."""

from itertools import permutations

import numpy as np
import pytest
from scoring import Affine, Identity, PairedRows, coco, pooled

from mpsae.metrics.gap import gap_share, gap_w1
from mpsae.score import score

RNG = np.random.default_rng(3)
NAMES = (
    "gap",
    "gap_xhat",
    "pair_cos",
    "cross_cos",
    "within_cos_image",
    "within_cos_text",
    "gap_share",
    "gap_w1",
)


def scores(image, text, metrics=NAMES):
    params = {"atoms": np.eye(np.shape(image)[1], dtype=np.float32)}
    return score(Identity(), params, PairedRows(image, text), metrics=metrics)


def test_opposite_modalities():
    rest = np.hstack([np.zeros((30, 1)), RNG.normal(size=(30, 3))])
    found = scores(rest + [1, 0, 0, 0], rest - [1, 0, 0, 0])
    assert found.value("gap") == pytest.approx(2, abs=1e-6) == found.value("gap_xhat")
    assert found.value("gap_share") == pytest.approx(1 / (1 + np.square(rest - rest.mean(0)).sum() / 30))


def test_equal_sets_have_no_gap():
    x = RNG.normal(size=(30, 4))
    found = dict(scores(x, x[::-1]).rows)
    assert found["gap"].value == pytest.approx(0, abs=1e-6)
    assert found["gap_w1"].value == pytest.approx(0, abs=1e-12)
    assert gap_share(pooled(x, x)).note == "there is no gap"


def test_cosines_against_float64():
    image, text = RNG.normal(size=(40, 5)) + 1, RNG.normal(size=(40, 5))
    one, other = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (image, text))
    off = ~np.eye(40, dtype=bool)
    expected = {
        "pair_cos": (one * other).sum(1).mean(), "cross_cos": (one @ other.T)[off].mean(),
        "within_cos_image": (one @ one.T)[off].mean(), "within_cos_text": (other @ other.T)[off].mean(),
    }  # fmt: skip
    found = dict(scores(image, text).rows)
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-6), name
    assert found["cross_cos"].count == 40 * 39 and found["pair_cos"].count == 40


def test_a_zero_row_has_cosine_0():
    image, text = np.array([[1.0, 0], [1, 0], [0, 0]]), np.array([[1.0, 0], [0, 1], [1, 0]])
    found = scores(image, text)
    assert found.value("pair_cos") == pytest.approx(1 / 3, abs=1e-6)
    assert found.value("within_cos_image") == pytest.approx(2 / 6, abs=1e-6)


def test_the_gap_of_xhat_is_its_own():
    image, text = RNG.normal(size=(30, 4)) + 2, RNG.normal(size=(30, 4))
    params = {"atoms": np.eye(4), "scale": np.full(4, 0.5), "shift": np.ones(4)}
    found = score(Affine(), params, PairedRows(image, text), metrics=("gap", "gap_xhat"))
    assert found.value("gap_xhat") == pytest.approx(found.value("gap") / 2, rel=1e-5)


def test_transport_is_the_best_of_all_permutations():
    angles = RNG.uniform(0, 3, size=(2, 6))
    image, text = (np.stack([np.cos(a), np.sin(a)], 1) for a in angles)
    cost = 1 - np.cos(angles[0][:, None] - angles[1])
    best = min(cost[np.arange(6), list(order)].mean() for order in permutations(range(6)))
    assert gap_w1(pooled(image, text)).value == pytest.approx(best)


def test_one_pair_has_no_other():
    found = dict(scores([[1.0, 0]], [[0.0, 1]]).rows)
    assert found["cross_cos"].value is None and found["cross_cos"].note == "one pair only"
    assert found["gap"].value == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("features_clip", [0.851, 0.310, 0.162, 0.531, 0.515, 0.280]),
        ("features_clip_random", [1.136, 0.029, None, None, None, None]),
    ],
)
def test_500_real_pairs(shared_data, name, expected):
    metrics = ("gap", "pair_cos", "cross_cos", "within_cos_image", "within_cos_text", "gap_share")
    found = scores(*coco(shared_data, name), metrics=metrics)
    for metric, value in zip(metrics, expected, strict=True):
        if value is not None:
            assert found.value(metric) == pytest.approx(value, abs=6e-4), metric
