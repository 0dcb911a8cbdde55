"""Retrieval: identical rows, chance, ties, duplicates, real pairs; sparse codes as dense ones."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scoring import Affine, Identity, PairedRows, Pursuit, coco, orthonormal, pooled

from mpsae.metrics import retrieval
from mpsae.metrics.retrieval import cosines, items, recall
from mpsae.score import score

RNG = np.random.default_rng(5)
X = RNG.normal(size=(50, 6))
NAMES = ("retrieval_x", "retrieval_xhat", "retrieval_code")


def found(image, text, known=None):
    values = recall(image, text, items(pooled(*(known or (image, text)))))
    return {(value.at["k"], value.at["to"]): value.value for value in values}


def test_identical_rows_find_each_other():
    params = {"atoms": np.eye(6, dtype=np.float32)}
    for name, value in score(Identity(), params, PairedRows(X, X), metrics=NAMES).rows:
        assert value.value == 1 and value.count == 50, name
    assert set(found(X, -X).values()) == {0}


def test_against_ranks_in_float64():
    text = X + 1.5 * RNG.normal(size=X.shape)
    cos = (X / np.linalg.norm(X, axis=1, keepdims=True)) @ (
        text / np.linalg.norm(text, axis=1, keepdims=True)
    ).T
    values = found(X, text)
    for k in (1, 5, 10):
        for to, table in (("text", cos), ("image", cos.T)):
            rank = (table > np.diag(table)[:, None]).sum(1)
            assert values[k, to] == pytest.approx((rank < k).mean()) and 0 < values[k, to] < 1


def test_unrelated_rows_are_found_by_chance():
    rates = [found(*RNG.normal(size=(2, 100, 4)))[10, "text"] for _ in range(40)]
    assert np.mean(rates) == pytest.approx(0.1, abs=0.02)


def test_shuffled_pairs_are_found_by_chance():
    rates = [found(X, X[RNG.permutation(50)])[1, "text"] for _ in range(40)]
    assert np.mean(rates) == pytest.approx(1 / 50, abs=0.015)


def test_ties_never_help():
    same = np.ones((50, 6))
    assert set(found(same, same, known=(X, X)).values()) == {0}
    assert set(found(np.zeros((50, 6)), np.zeros((50, 6)), known=(X, X)).values()) == {0}
    halves = np.repeat(np.eye(2), [9, 41], axis=0)
    assert found(halves, halves, known=(X, X))[10, "text"] == pytest.approx(9 / 50)


def test_an_image_with_several_captions_is_one_candidate_and_each_caption_is_right():
    image, text = np.repeat(np.eye(4), [3, 1, 1, 1], axis=0), np.eye(6)
    known = items(pooled(image, text))
    assert (len(known.image), len(known.text)) == (4, 6) and known.together.sum() == 6
    aligned = np.hstack([np.repeat(np.eye(4), [3, 1, 1, 1], axis=0), 0.1 * np.eye(6)])
    values = recall(np.hstack([image, np.zeros((6, 6))]), aligned, known)
    assert all(value.value == 1 for value in values)
    assert {value.at["to"]: value.count for value in values} == {"text": 6, "image": 4}


def test_retrieval_reads_x_xhat_and_codes():
    """x̂ = x - mean brings pairs together that a large offset hides; codes of one latent cannot."""
    offset = np.array([30.0, 0, 0, 0, 0, 0])
    image, text = X + offset, X - offset + 0.1 * RNG.normal(size=X.shape)
    params = {"atoms": np.eye(6), "scale": np.array([0.0, 1, 1, 1, 1, 1]), "shift": np.zeros(6)}
    scores = score(Affine(), params, PairedRows(image, text), metrics=NAMES)
    at = {"k": 1, "to": "text"}
    assert scores.value("retrieval_x", at) < 0.5 < scores.value("retrieval_xhat", at)
    assert scores.value("retrieval_code", at) == scores.value("retrieval_x", at)


def test_codes_are_compared_on_unit_atoms():
    scale = np.array([0.01, 1, 1, 1, 1, 100])
    text, at = X + RNG.normal(size=X.shape), {"k": 5, "to": "text"}
    plain, scaled = (
        score(
            Identity(), {"atoms": np.diag(s).astype(np.float32)}, PairedRows(X / s, text / s), metrics=NAMES
        )
        for s in (np.ones(6), scale)
    )
    assert plain.value("retrieval_code", at) == scaled.value("retrieval_code", at)


def test_without_the_first_step_what_it_added_is_gone():
    atoms = orthonormal(6, 8)
    z = RNG.gamma(1.0, size=(40, 6)) * [0, 0, 1, 1, 1, 1]
    image, text = ((z + np.eye(6)[side] * 30) @ atoms for side in (0, 1))
    params = {"atoms": atoms.astype(np.float32)}
    names = ("retrieval_xhat", "retrieval_xhat_after_first")
    scores = score(Pursuit(k=6), params, PairedRows(image, text), metrics=names)
    for to in ("text", "image"):
        assert scores.value("retrieval_xhat", {"k": 1, "to": to}) < 1
        assert scores.value("retrieval_xhat_after_first", {"k": 1, "to": to}) == 1
    none = score(Identity(), {"atoms": np.eye(8)}, PairedRows(image, text), metrics=names)
    assert dict(none.rows)["retrieval_xhat_after_first"].note.startswith("not a pursuit")


@pytest.mark.parametrize("slower", [0, 1e9])
def test_cosines_of_codes_are_those_of_rows(slower, monkeypatch):
    monkeypatch.setattr(retrieval, "SLOWER", slower)
    monkeypatch.setattr(retrieval, "COLUMNS", 4)
    z = RNG.normal(size=(2, 20, 11)) * (RNG.random((2, 20, 11)) < 0.3)
    z[0, 3] = 0
    np.testing.assert_allclose(cosines(*map(csr_array, z)), cosines(*z), atol=1e-12)


def test_rows_that_are_not_finite_are_null():
    broken = np.where(np.arange(6) == 2, np.nan, X)
    values = recall(broken, X, items(pooled(X, X)))
    assert all(value.value is None and value.note == "not finite" for value in values)


@pytest.mark.parametrize(
    ("name", "expected"), [("features_clip", (0.552, 0.506)), ("features_clip_random", (0.002,))]
)
def test_500_real_pairs(shared_data, name, expected):
    image, text = coco(shared_data, name)
    values = found(image, text)
    for to, value in zip(("text", "image"), expected, strict=False):
        assert values[1, to] == pytest.approx(value, abs=5e-4)
