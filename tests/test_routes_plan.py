"""The route that is chosen: by name, by size, and never a table that does not fit."""

import itertools

import jax.numpy as jnp
import pytest

from mpsae.pursuit import pursue
from mpsae.routes.plan import CPU, GPU, SMALL, WAYS, choose, costs
from mpsae.routes.rule import Rule

DEVICES = [pytest.param(CPU, id="cpu"), pytest.param(GPU, id="gpu")]
BATCHES = (1, 8, 64, 512, 4096, 32768)
SIZES = dict(k=16, dim=512, width=4096, tied=True, given=False)


def cheapest(device, **sizes):
    prices = costs(device, **sizes)
    return min(prices, key=prices.__getitem__)


def test_an_unknown_name_is_refused_by_name():
    with pytest.raises(ValueError, match=r"route = 'gramm': must be one of auto, residual, gram, "):
        choose("gramm", batch=8, **SIZES)
    with pytest.raises(ValueError, match="route = 'best'"):
        pursue(Rule(2), jnp.ones((1, 2)), jnp.eye(2), route="best")


@pytest.mark.parametrize("name", WAYS)
def test_a_name_is_taken_with_an_exact_way_behind_it(name):
    route = choose(name, batch=8, **SIZES)
    assert route.way == name and route.rows > 0
    if name in ("screened", "screened_gram", "fused"):
        assert route.exact in ("residual", "gram")
    else:
        assert route.exact == name


@pytest.mark.parametrize("width, given", list(itertools.product((1, 20, 128), (False, True))))
def test_small_batches_take_the_plainest(width, given):
    sizes = SIZES | dict(width=width, given=given)
    rows = int(SMALL / (3 * sizes["k"] * sizes["dim"] * width))
    assert choose("auto", batch=rows, **sizes).way == "residual"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("width, dim, tied", [(1000, 784, True), (4096, 512, False), (16384, 64, True)])
def test_a_table_pays_from_some_batch_on(device, width, dim, tied):
    """Its price is shared by the rows, so the difference to no table only shrinks with the batch."""
    sizes = SIZES | dict(width=width, dim=dim, tied=tied)
    for with_table, without in (("gram", "residual"), ("screened_gram", "screened")):
        pays = [
            prices[with_table] < prices[without]
            for prices in (costs(device, batch=batch, **sizes) for batch in BATCHES)
        ]
        assert pays == sorted(pays)


def test_a_table_that_is_known_is_used_at_every_batch():
    for batch in BATCHES:
        prices = costs(CPU, batch=batch, **SIZES | dict(given=True))
        assert prices["gram"] < prices["residual"]
        assert prices["gram"] < costs(CPU, batch=batch, **SIZES)["gram"]
    assert choose("auto", batch=BATCHES[-1], **SIZES | dict(given=True)).way == "gram"


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("given", [False, True])
def test_a_table_too_large_is_never_chosen(device, given):
    width = int((device.table / 4) ** 0.5)
    fits, too_large = (SIZES | dict(width=size, given=given) for size in (width, width + 1))
    assert "gram" in costs(device, batch=1 << 20, **fits)
    for batch in BATCHES:
        assert "gram" not in cheapest(device, batch=batch, **too_large)
    if device is CPU:
        for name in ("auto", "screened"):
            route = choose(name, batch=1 << 20, **too_large)
            assert "gram" not in route.way and route.exact == "residual"
