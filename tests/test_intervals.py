"""Intervals against closed forms and against how often they hold the truth."""

import numpy as np
import pytest

from mpsae.intervals import interval, paired_difference, unpaired_difference


def test_one_value_has_no_spread_and_none_has_nothing():
    assert interval([0.5]) == (0.5, 0.5, 0.5, 1, 0)
    assert interval([]) == (None, None, None, 0, 0)
    assert interval([None, float("nan")]) == (None, None, None, 0, 2)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_with_few_values_the_median_interval_is_the_range(n):
    # For n = 5, P(median of a resample is the minimum) = P(Binomial(5, 1/5) >= 3) = .058 > .025.
    values = [float(v) ** 2 for v in range(n)]
    assert interval(values) == (np.median(values), 0.0, values[-1], n, 0)


def test_missing_values_are_counted_and_change_nothing_else():
    full = interval([3.0, 1.0, 2.0])
    holes = interval([None, 3.0, 1.0, float("inf"), 2.0])
    assert holes == full._replace(missing=2)


def test_the_mean_interval_is_the_normal_one_for_many_values():
    values = np.random.Generator(np.random.Philox(1)).normal(size=400)
    found = interval(values, reduce="mean", resamples=4000)
    error = values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


@pytest.mark.parametrize(("n", "low", "high"), [(3, 0.70, 0.80), (5, 0.91, 0.965), (15, 0.90, 0.98)])
def test_coverage_of_the_median(n, low, high):
    # Never above 1 - 2^(1-n), the chance that the range holds the true median: .75 for 3, .9375 for 5.
    samples = np.random.Generator(np.random.Philox(2)).normal(size=(600, n))
    found = [interval(sample, resamples=400, seed=i) for i, sample in enumerate(samples)]
    assert low <= np.mean([f.low <= 0 <= f.high for f in found]) <= high


def test_the_same_numbers_give_the_same_interval_for_ever():
    values = [0.1, 0.7, 0.2, 0.9, 0.4, 0.3, 0.8]
    assert interval(values) == interval(values)
    # The stream itself, so a change of generator is seen as one.
    assert (np.random.Philox(key=0).random_raw(3) % np.uint64(7)).tolist() == [1, 2, 6]


def test_level_and_reduce_are_checked():
    with pytest.raises(ValueError, match="level = 95"):
        interval([1.0, 2.0], level=95)
    with pytest.raises(ValueError, match="reduce = 'mode': must be one of median, mean"):
        interval([1.0], reduce="mode")


def test_paired_difference_pairs_by_seed_and_cancels_what_seeds_share():
    noise = np.random.Generator(np.random.Philox(3)).normal(scale=10, size=8)
    a = {seed: noise[seed] + 1.0 for seed in range(8)}
    b = {seed: noise[seed] for seed in reversed(range(8))}
    found = paired_difference(a, b)
    assert found == pytest.approx((1.0, 1.0, 1.0, 8, 0))
    found = paired_difference(a | {1: None, 20: 3.0}, b)
    assert (found.n, found.missing) == (7, 2)


def test_unpaired_difference_has_the_spread_of_both_sides():
    found = unpaired_difference([1.0, 2.0, 3.0], [10.0, 20.0, None])
    assert (found.value, found.n, found.missing) == (2.0 - 15.0, 2, 1)
    assert found.low == 1.0 - 20.0 and found.high == 3.0 - 10.0
    assert unpaired_difference([1.0], []).value is None
