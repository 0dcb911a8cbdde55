"""Gamma numbers against the law itself."""

import jax
import numpy as np
import pytest
import scipy.stats

from synthetic.gamma import unit_gamma

N = 200_000


@pytest.mark.parametrize("kappa", [1e-3, 0.3, 1.0])
def test_the_law_is_gamma(kappa):
    numbers = np.asarray(unit_gamma(jax.random.key(1), np.float32(kappa), (N,)), np.float64)
    law = scipy.stats.gamma(1 / kappa**2, scale=kappa**2)
    assert scipy.stats.kstest(numbers, law.cdf).pvalue > 0.01
    assert abs(numbers.mean() - 1) < 4 * kappa / np.sqrt(N)
    kurtosis = 3 + 6 * kappa**2
    assert abs(numbers.var() / kappa**2 - 1) < 4 * np.sqrt((kurtosis - 1) / N)
    assert numbers.min() > 0


def test_no_spread_is_exactly_one():
    assert np.all(np.asarray(unit_gamma(jax.random.key(0), np.float32(0), (7, 3))) == 1)
