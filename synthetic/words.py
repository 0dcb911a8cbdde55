"""Uniform and normal numbers out of random 32-bit words, so that one call draws all that is needed."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt32


def words(keys: Array, count: int) -> UInt32[Array, "keys count"]:
    """`count` random words of each key."""
    return jax.vmap(lambda key: jax.random.bits(key, (count,)))(keys)


def uniform(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Uniform numbers in [0, 1], the words over 2^32 rounded to float32.

    P(u < p) is within 2^-32 + p · 2^-24 of p: small p are met where the multiples of 2^-23 of
    `jax.random.uniform` would open a gate of p = 5e-4 too often by one in ten thousand.
    """
    return words.astype(jnp.float32) * 2.0**-32


def normal(words: UInt32[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Normal numbers Φ⁻¹((w + 1/2) / 2^23), w the upper 23 bits: 2^23 equally likely values, at most 5.42.

    Each value is the middle of its cell, so P(number < x) is within 2^-24 of Φ(x).
    """
    signed = ((words >> 9).astype(jnp.float32) + 0.5) * 2.0**-22 - 1  # exact: 24 bits
    return math.sqrt(2) * jax.lax.erf_inv(signed)
