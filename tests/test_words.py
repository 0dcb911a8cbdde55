"""Numbers out of random words: the values of all words that matter, and the laws."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats

from synthetic.words import normal, uniform, words

EDGES = jnp.array([0, 511, 512, 2**31 - 1, 2**31, 2**32 - 512, 2**32 - 1], jnp.uint32)


def test_words_are_those_of_each_key_alone():
    keys = jax.random.split(jax.random.key(0), 3)
    drawn = words(keys, 5)
    assert drawn.shape == (3, 5) and drawn.dtype == jnp.uint32
    for key, row in zip(keys, drawn, strict=True):
        np.testing.assert_array_equal(row, jax.random.bits(key, (5,)))


def test_uniform_numbers_are_words_over_their_number():
    expected = np.asarray(EDGES, np.float64) / 2**32
    np.testing.assert_allclose(uniform(EDGES), expected, rtol=2**-24)
    assert float(uniform(jnp.uint32(1))) == 2.0**-32


def test_normal_numbers_are_the_quantiles_of_their_cells():
    cells = np.asarray(EDGES, np.uint64) >> 9
    expected = scipy.stats.norm.ppf((cells + 0.5) / 2**23)
    np.testing.assert_allclose(normal(EDGES), expected, rtol=1e-5)
    assert 5.2 < float(normal(EDGES)[-1]) < 5.5
    inner = jax.random.bits(jax.random.key(1), (10_000,))
    expected = scipy.stats.norm.ppf(((np.asarray(inner) >> 9) + 0.5) / 2**23)
    np.testing.assert_allclose(normal(inner), expected, rtol=1e-5, atol=1e-7)


def test_both_laws_are_met():
    drawn = jax.random.bits(jax.random.key(0), (2, 50_000))
    assert scipy.stats.kstest(np.asarray(uniform(drawn[0])), "uniform").pvalue > 1e-3
    assert scipy.stats.kstest(np.asarray(normal(drawn[1])), "norm").pvalue > 1e-3
