"""Cosines read in parts are the cosines."""

import numpy as np
import pytest

from mpsae import overlap
from mpsae.bounds import TooLarge, check_table
from mpsae.match import cosines
from mpsae.overlap import Overlap, blocks

RNG = np.random.default_rng(0)
ATOMS, TRUTH = RNG.normal(size=(9, 5)), RNG.normal(size=(6, 5))
ATOMS[3] = 0.0
WHOLE = cosines(ATOMS, TRUTH)


def test_rows_and_pairs_are_those_of_the_whole_table():
    parts = Overlap(ATOMS, TRUTH)
    assert parts.shape == WHOLE.shape and len(parts) == 9
    latents, features = np.array([[0], [8], [-1]]), np.array([5, 0])
    for found, expected in (
        (parts[2:5], WHOLE[2:5]),
        (parts[np.array([7, 0])], WHOLE[[7, 0]]),
        (parts[latents, features], WHOLE[latents, features]),
        (parts.T[1:3], WHOLE.T[1:3]),
        (parts.T.T[:], WHOLE),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-15)


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_blocks_cover_every_row_once(rows, monkeypatch):
    monkeypatch.setattr(overlap, "rows_per_block", lambda width: rows)
    for table in (WHOLE, Overlap(ATOMS, TRUTH)):
        found = list(blocks(table))
        assert [part.start for part, _ in found] == list(range(0, 9, rows))
        np.testing.assert_allclose(np.concatenate([block for _, block in found]), WHOLE, atol=1e-15)


def test_a_table_above_the_bound_is_refused_by_its_size():
    check_table(8192, 8192)
    with pytest.raises(TooLarge, match="needs a 8193 x 8192 table: above 8192 x 8192"):
        check_table(8193, 8192)
    with pytest.raises(TooLarge, match="65536 x 16384"):
        cosines(np.zeros((65536, 1)), np.zeros((16384, 1)))
