"""Which route for which sizes: the cheapest by a small measured model.

Costs are counted in float32 product operations of the device. CPU numbers are measured on one
core (AMD Zen 4, 100 Gflop/s; `mpsae bench` prints those of yours); the GPU numbers are arithmetic
from bandwidth and peak (H200) and not yet measured.
"""

from typing import NamedTuple

import jax


class Route(NamedTuple):
    """A way, how many rows a block of it holds, and the exact way behind it (itself, if exact)."""

    way: str
    rows: int
    exact: str


class Device(NamedTuple):
    """Costs in float32 product operations: per entry updated and searched, per entry gathered; how much
    faster low precision is; the longest useful block of each way; and the largest table in bytes."""

    sweep: float
    gather: float
    low: float
    blocks: dict[str, int]
    table: int


CPU = Device(
    sweep=50.0,
    gather=60.0,
    low=1.9,
    blocks={"residual": 512, "gram": 64, "screened": 512, "screened_gram": 64},
    table=4 << 30,
)
GPU = Device(
    sweep=900.0,
    gather=400.0,
    low=2.0,
    blocks=dict.fromkeys(("residual", "gram", "screened", "screened_gram"), 1 << 30),
    table=16 << 30,
)
EXACT = {"residual", "gram"}
NAMES = ("residual", "gram", "screened", "screened_gram")
SMALL = 256  # atoms: below, every way costs the same and the plainest is taken


def choose(name: str, *, k: int, batch: int, dim: int, width: int, tied: bool, given: bool) -> Route:
    """The route called `name`, or the cheapest for these sizes where it is `auto`.

    given: the Gram matrix is known already. Raises ValueError for an unknown name.
    """
    device = CPU if jax.default_backend() == "cpu" else GPU
    prices = costs(device, k=k, batch=batch, dim=dim, width=width, tied=tied, given=given)
    exact = min(EXACT & prices.keys(), key=prices.__getitem__)
    if name == "auto":
        name = "residual" if width < SMALL else min(prices, key=prices.__getitem__)
    elif name not in NAMES:
        raise ValueError(f"route = {name!r}: must be one of auto, {', '.join(NAMES)}")
    return Route(name, device.blocks[name], name if name in EXACT else exact)


def costs(
    device: Device, *, k: int, batch: int, dim: int, width: int, tied: bool, given: bool
) -> dict[str, float]:
    """Operations of one batch by each route that fits in memory."""
    once = 2.0 * batch * dim * width
    table = 0.0 if given else (1.0 if tied else 2.0) * dim * width**2
    sweep = device.sweep * k * batch * width
    check = device.gather * 4 * k * batch * dim
    prices = {
        "residual": k * (once + 0.5 * sweep / k),
        "screened": k * once / device.low + 0.5 * sweep + check,
    }
    if 4 * width**2 <= device.table:
        prices["gram"] = once + table + sweep
        prices["screened_gram"] = (
            (once + (1.0 if tied else 2.0) * dim * width**2) / device.low + sweep + check
        )
    return prices
