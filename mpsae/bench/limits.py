"""What this machine can do at best, measured in the same run, and the lower bound of a step."""

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mpsae.bench.problem import Size
from mpsae.routes.product import product

PASSES = 10


class Limits(NamedTuple):
    """Product rates in flop/s and bandwidths in bytes/s of the device in use.

    cache: an array of 1 MB, read and written; memory: one of 256 MB.
    """

    float32: float
    bfloat16: float
    cache: float
    memory: float


def measured(*, edge: int = 1024) -> Limits:
    """The best of several runs of each."""
    left = jax.random.normal(jax.random.key(0), (edge, edge))
    low = left.astype(jnp.bfloat16)
    flops = 2.0 * edge**3
    small, large = jnp.ones(1 << 18), jnp.ones(1 << 26)
    return Limits(
        float32=flops / _best(jax.jit(product), left, left),
        bfloat16=flops / _best(jax.jit(lambda a, b: product(a, b, out=jnp.float32)), low, low),
        cache=2.0 * small.nbytes / _best(_passes, small, turns=PASSES),
        memory=2.0 * large.nbytes / _best(_passes, large, turns=PASSES),
    )


@jax.jit
def _passes(x):
    """Passes that read and write x in place."""
    return jax.lax.fori_loop(0, PASSES, lambda i, x: x + jnp.float32(1), x)


def _best(function, *args, turns=1):
    """Seconds of one turn, where a call has `turns`."""
    jax.block_until_ready(function(*args))
    spent = []
    for _ in range(7):
        began = time.perf_counter()
        jax.block_until_ready(function(*args))
        spent.append((time.perf_counter() - began) / turns)
    return min(spent)


def encode_bound(size: Size, limits: Limits, *, low: bool) -> float:
    """Seconds no pursuit with a given Gram matrix can beat: one product, k row updates a sample.

    An update reads 4 bytes of the Gram per entry; the correlations stay in cache for free.
    """
    rate = limits.bfloat16 if low else limits.float32
    table = 4.0 * size.width**2
    bandwidth = limits.cache if table < 8e6 else limits.memory
    return (
        2.0 * size.batch * size.dim * size.width / rate + 4.0 * size.k * size.batch * size.width / bandwidth
    )


def train_bound(size: Size, limits: Limits, *, low: bool) -> float:
    """Seconds of the cheaper of the two forms, and of what both need.

    Residual form: k products. Gram form: `encode_bound` and dim·width² operations for the symmetric
    table. Both: the backward walk (per step a row of the residual, of its gradient and of the
    gradient of the atoms read and written, and an atom read: 28 bytes an entry from cache) and
    Adam's 28 bytes a parameter from memory.
    """
    rate = limits.bfloat16 if low else limits.float32
    residual = 2.0 * size.k * size.batch * size.dim * size.width / rate
    gram = encode_bound(size, limits, low=low) + size.dim * size.width**2 / rate
    back = 28.0 * size.k * size.batch * size.dim / limits.cache
    return min(residual, gram) + back + 28.0 * size.width * size.dim / limits.memory
