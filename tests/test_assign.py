"""Assignment by lists has the optimum of the dense solver, however short the lists begin."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from mpsae import assign
from mpsae.assign import by_lists
from mpsae.bounds import TooLarge

RNG = np.random.default_rng(0)
UNIT = RNG.normal(size=(300, 12))
UNIT /= np.linalg.norm(UNIT, axis=1, keepdims=True)

TABLES = {
    "random": RNG.normal(size=(120, 200)),
    "square": RNG.normal(size=(150, 150)),
    "cosines": UNIT[:120] @ UNIT[120:280].T,
    "true cosines": UNIT[:150] @ (UNIT[:150] + 0.2 * RNG.normal(size=(150, 12))).T,
    "same giver": np.tile(np.linspace(-1, 1, 130), (110, 1)),  # all want the same ones
    "duplicates": np.repeat(UNIT[:40] @ UNIT[:30].T, 4, axis=1)[:, :90],
    "low rank": np.outer(np.linspace(0, 1, 80), np.linspace(-1, 1, 100)),
    "integers": RNG.integers(0, 3, size=(100, 140)).astype(float),
    "mostly zero": np.where(RNG.random((100, 140)) < 0.02, RNG.random((100, 140)), 0.0),
    "zero": np.zeros((60, 60)),
    "negative": -np.square(RNG.normal(size=(70, 70))) - 5,
    "tiny": 1e-9 * RNG.normal(size=(60, 70)),
    "large": 1e9 * RNG.normal(size=(60, 70)),
    "one": np.ones((1, 1)),
}


@pytest.mark.parametrize("listed", [1, 3, 64])
@pytest.mark.parametrize("name", TABLES)
def test_by_lists_has_the_total_of_the_dense_solver(name, listed):
    table = TABLES[name]
    taken = by_lists(lambda ids: table[ids].copy(), *table.shape, listed=listed)
    assert len(set(taken)) == len(table) and min(taken) >= 0
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    scale = np.abs(table).max() * len(table)
    assert table[np.arange(len(table)), taken].sum() == pytest.approx(best, abs=1e-10 * scale, rel=0)


def test_blocks_of_rows_change_nothing(monkeypatch):
    table = TABLES["square"]
    whole = by_lists(lambda ids: table[ids], *table.shape, listed=4)
    monkeypatch.setattr(assign, "rows_per_block", lambda width: 7)
    most = []
    parts = by_lists(lambda ids: most.append(len(ids)) or table[ids], *table.shape, listed=4)
    assert (whole == parts).all() and max(most) == 7


def test_prices_prove_the_optimum_of_what_is_listed():
    """u + p >= score on every pair, and Σ u + Σ p is the total: no assignment can have more."""
    table = TABLES["cosines"]
    lists = assign._Lists(lambda ids: table[ids], *table.shape, listed=1000)
    taken = lists.solve()
    price, profit = lists.prices(taken)
    assert (table <= profit[:, None] + price + 1e-9).all() and price.min() == 0
    total = table[np.arange(len(table)), taken].sum()
    assert profit.sum() + price.sum() == pytest.approx(total, abs=1e-9)


def test_more_candidates_than_allowed_are_refused(monkeypatch):
    monkeypatch.setattr(assign, "MOST", 100)
    table = TABLES["same giver"]
    with pytest.raises(TooLarge, match="110 x 130 needs more than 100 candidates"):
        by_lists(lambda ids: table[ids], *table.shape, listed=1)
