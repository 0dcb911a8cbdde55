"""Alignment against brute force, and the rules for zero atoms and silent latents."""

import itertools

import numpy as np
import pytest

from mpsae import match
from mpsae.overlap import Overlap


def brute(score):
    """The largest Σ of an assignment, over all of them."""
    score = score if score.shape[0] >= score.shape[1] else score.T
    rows, columns = score.shape
    return max(score[list(p), range(columns)].sum() for p in itertools.permutations(range(rows), columns))


@pytest.mark.parametrize("width, features", [(4, 4), (3, 5), (6, 3)])
def test_hungarian_is_the_best_of_all_assignments(width, features):
    rng = np.random.default_rng(width)
    cosine = match.cosines(rng.normal(size=(width, 7)), rng.normal(size=(features, 7)))
    for found, score in ((match.by_cosine(cosine), cosine), (match.by_abs_cosine(cosine), np.abs(cosine))):
        used = found[found >= 0]
        assert len(used) == len(set(used)) == min(width, features)
        total = score[used, np.flatnonzero(found >= 0)].sum()
        assert total == pytest.approx(brute(score), abs=1e-12)


@pytest.mark.parametrize("width, features", [(40, 30), (30, 40), (35, 35)])
def test_large_tables_have_the_same_matchings_by_lists(width, features, monkeypatch):
    rng = np.random.default_rng(width)
    atoms, truth = rng.normal(size=(width, 6)), rng.normal(size=(features, 6))
    atoms[::7] = 0.0
    codes = np.maximum(rng.normal(size=(50, width)) - 1, 0)
    true_codes = np.maximum(rng.normal(size=(50, features)) - 1.5, 0)
    codes[:, 3], true_codes[:, :4] = 0.0, 0.0

    def found():
        cosine = Overlap(atoms, truth)
        return match.by_cosine(cosine), match.by_abs_cosine(cosine), match.by_codes(codes, true_codes)

    dense = found()
    monkeypatch.setattr(match, "DENSE", 0)
    product = (codes / codes.max(0).clip(1e-9)).T @ (true_codes / true_codes.max(0).clip(1e-9))
    cosine = match.cosines(atoms, truth)
    for one, other, table in zip(dense, found(), (cosine, np.abs(cosine), product), strict=True):
        assert len(other) == features and set(other[other >= 0]) <= set(range(width))
        assert len(set(other[other >= 0])) == (other >= 0).sum()
        totals = [table[m[m >= 0], np.flatnonzero(m >= 0)].sum() for m in (one, other)]
        assert totals[0] == pytest.approx(totals[1], abs=1e-12)
        assert not np.isin(other, np.flatnonzero(~table.any(1))).any()  # zero atoms, silent latents


def test_signed_and_unsigned_matchings_disagree():
    cosine = np.array([[0.1, -0.9], [-0.8, 0.2]])
    assert match.by_cosine(cosine).tolist() == [0, 1]
    assert match.by_abs_cosine(cosine).tolist() == [1, 0]


def test_a_permuted_dictionary_is_found_again():
    atoms = np.random.default_rng(0).normal(size=(9, 5))
    order = np.random.default_rng(1).permutation(9)
    cosine = match.cosines(3.0 * atoms[order], atoms)
    assert (order[match.by_cosine(cosine)] == np.arange(9)).all()
    assert (order[match.by_argmax(cosine)] == np.arange(9)).all()


def test_zero_atoms_have_cosine_zero_and_match_nothing():
    atoms = np.array([[0.0, 0.0], [2.0, 0.0]])
    cosine = match.cosines(atoms, np.eye(2))
    assert cosine.tolist() == [[0.0, 0.0], [1.0, 0.0]]
    assert match.by_cosine(cosine).tolist() == [1, -1]
    assert match.by_cosine(np.zeros((2, 2))).tolist() == [-1, -1]
    assert match.by_argmax(np.zeros((2, 2))).tolist() == [-1, -1]


def test_codes_decide_where_atoms_do_not():
    z = (np.random.default_rng(0).random((200, 3)) < 0.3).astype(float)
    codes = 100.0 * z[:, [2, 0, 1]]  # the scale of a latent means nothing
    assert match.by_codes(codes, z).tolist() == [1, 2, 0]
    codes[:, 0] = 0.0  # a silent latent matches nothing
    assert match.by_codes(codes, z).tolist() == [1, 2, -1]
    assert match.by_codes(np.abs(1 - z[:, :1]), z[:, :1]).tolist() == [-1]  # never on together
