"""How far a number measured over a few seeds can be trusted."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

REDUCERS: dict[str, Callable[..., Any]] = {"median": np.median, "mean": np.mean}


class Interval(NamedTuple):
    """A statistic over seeds with its bounds, over `n` values; `missing` seeds had none.

    The three numbers are None when `n` is 0.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    missing: int


def interval(
    values: Iterable[float | None],
    *,
    reduce: str = "median",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The median or mean of `values` with its percentile bootstrap interval.

    The bounds are the (1 ∓ level)/2 quantiles of the statistic over `resamples`
    draws of n values with replacement. Values that are None or not finite are
    dropped and counted as missing. The draws are raw Philox words, so the same
    numbers give the same interval on every machine and numpy.

    With few seeds the interval is short of its level, since it never leaves
    [min, max]: for the median of n values it covers at most 1 - 2^(1-n) (75 %
    for 3, 94 % for 5). With n = 1 there is no spread to see: low = high = value.

    Raises ValueError for an unknown `reduce` or a `level` outside (0, 1).
    """
    if reduce not in REDUCERS:
        raise ValueError(f"reduce = {reduce!r}: must be one of {', '.join(REDUCERS)}")
    given = list(values)
    sample = _finite(given)
    missing = len(given) - len(sample)
    if not len(sample):
        return Interval(None, None, None, 0, missing)
    drawn = REDUCERS[reduce](sample[_draws(len(sample), resamples, seed)], axis=1)
    low, high = _bounds(drawn, level)
    return Interval(float(REDUCERS[reduce](sample)), low, high, len(sample), missing)


def paired_difference(
    a: Mapping[Any, float | None],
    b: Mapping[Any, float | None],
    *,
    reduce: str = "median",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The median (or mean) over seeds of a[seed] - b[seed], with its interval.

    Keys are seeds. A seed without a finite value on both sides is missing.
    """
    keys = list(dict.fromkeys([*a, *b]))
    pairs = [(a.get(key), b.get(key)) for key in keys]
    differences = [None if x is None or y is None else x - y for x, y in pairs]
    return interval(differences, reduce=reduce, level=level, resamples=resamples, seed=seed)


def unpaired_difference(
    a: Iterable[float | None],
    b: Iterable[float | None],
    *,
    reduce: str = "median",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """median(a) - median(b) when no seed is shared: both sides are redrawn on their own.

    `n` is the smaller number of values of the two sides, `missing` counts both.
    """
    given = [list(a), list(b)]
    one, other = (_finite(values) for values in given)
    n, missing = min(len(one), len(other)), sum(map(len, given)) - len(one) - len(other)
    if not n:
        return Interval(None, None, None, 0, missing)
    statistic = REDUCERS[reduce]
    drawn = statistic(one[_draws(len(one), resamples, seed)], axis=1)
    drawn = drawn - statistic(other[_draws(len(other), resamples, seed + 1)], axis=1)
    low, high = _bounds(drawn, level)
    return Interval(float(statistic(one) - statistic(other)), low, high, n, missing)


def _finite(values: list[float | None]) -> np.ndarray:
    return np.array([v for v in values if v is not None and math.isfinite(v)], dtype=np.float64)


def _draws(n: int, resamples: int, seed: int) -> np.ndarray:
    # Modulo of 64-bit words: the bias is n/2⁶⁴, and no numpy release can change the stream.
    words = np.random.Philox(key=seed).random_raw(resamples * n)
    return (words % np.uint64(n)).astype(np.int64).reshape(resamples, n)


def _bounds(drawn: np.ndarray, level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must be between 0 and 1")
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
