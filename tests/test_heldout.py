"""Held-out rows come in order, all of them, in chunks that fit."""

import numpy as np
import pytest
from scoring import Rows

from mpsae import heldout
from mpsae.bounds import WORK
from mpsae.heldout import chunks, first_rows, rows_at_once

X = np.arange(46.0).reshape(23, 2)
Z = X[:, :1]


@pytest.mark.parametrize("most, sizes", [(100, [10, 10, 3]), (4, [4, 4, 2, 4, 4, 2, 3]), (1, [1] * 23)])
def test_chunks_are_the_rows_in_order(most, sizes, monkeypatch):
    monkeypatch.setattr(heldout, "rows_at_once", lambda width, dim: most)
    found = list(chunks(Rows(X, Z, object(), block=10), width=7, codes=True))
    assert [len(chunk.x) for chunk in found] == sizes
    np.testing.assert_array_equal(np.concatenate([chunk.x for chunk in found]), X)
    np.testing.assert_array_equal(np.concatenate([chunk.zt for chunk in found]), Z)
    for chunk in found:  # whatever the chunk, the same point
        np.testing.assert_array_equal(chunk.center, X[:10].mean(0))
    assert all(chunk.zt is None for chunk in chunks(Rows(X, Z, block=10), width=7, codes=False))


def test_a_chunk_holds_what_fits():
    assert rows_at_once(1000, 64) > 1000  # the blocks of our sources are never cut in small problems
    for width, dim in ((1000, 64), (65536 + 16384, 512), (10**9, 512)):
        rows = rows_at_once(width, dim)
        assert rows == 1 or 4 * rows * width < WORK


def test_the_first_rows_are_taken_from_as_many_blocks_as_needed():
    source = Rows(X, Z, block=10)
    for count in (3, 10, 15, 99):
        np.testing.assert_array_equal(first_rows(source, count, 0), X[:count])
    np.testing.assert_array_equal(first_rows(source, 15, 1), Z[:15])
