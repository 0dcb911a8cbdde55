"""All k steps of a pursuit with one sample's correlations kept on chip: one Gram row is read a step.

    c = analysis @ x;   i_t = argmax c,   v_t = max(c[i_t], 0),   c ← c - v_t · gram[i_t]

This is matching pursuit of unit atoms (signed, repeats accumulate), written for the correlations
instead of the residual: no product with the dictionary is left inside the loop. A program owns one
sample; c stays in its registers from the first step to the last, at most 96 a thread.

Traffic: 4 · width bytes a sample, then width · size bytes a step, which bounds the time: 8192 samples,
width 24,576, k 32 and a 2-byte Gram read 12.9 GB, 3.0 ms at 4.3 TB/s less what L2 keeps of often
taken atoms. About 6 instructions an entry (widen, multiply-add, running maximum) are 1200 cycles a
step there, beside 1.5 µs for its 48 KiB at a 132nd of that bandwidth, so two programs should share a
multiprocessor: c is 96 KiB, in 8 warps 96 registers a thread, 128 with everything else and no spills
(compiled for sm_90a): half the register file each. The reductions use 32 bytes of shared memory.

The correlations drift from the true ones by the rounding of k updates in the Gram's type: with a
bfloat16 Gram take values (and doubtful choices) again in float32. Backend: as in `fused`.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float, Int

PER_THREAD = 96  # of 255 registers; the rest holds the row on its way in
MOST_WARPS = 16
WIDEST = MOST_WARPS * 32 * PER_THREAD
VECTOR = 8  # correlations a thread reads at once: 16 bytes of a bfloat16 row


def pursue(
    correlations: Float[Array, "batch width"],
    gram: Float[Array, "width width"],
    *,
    k: int,
    warps: int | None = None,
    interpret: bool = False,
) -> tuple[Int[Array, "batch k"], Float[Array, "batch k"]]:
    """Atoms and values in selection order; a row ends at its first step without a positive product.

    correlations: c before the first step, read as float32. gram: atoms @ atoms.T, symmetric, finite,
    float32 or bfloat16. warps: threads / 32 of a program, a power of two (default: the fewest that
    hold the row). Steps not taken have index 0 and value 0. Equal products go to the smallest index;
    a row with a NaN takes atom 0 with value NaN, and a row with an inf does after it took that one.
    """
    batch, width = correlations.shape
    if width > WIDEST:
        raise ValueError(f"width is {width}, a multiprocessor holds {WIDEST}: use the residual instead")
    if k < 1:
        raise ValueError(f"k is {k}, must be at least 1")
    if batch == 0:
        return jnp.zeros((0, k), jnp.int32), jnp.zeros((0, k), jnp.float32)
    warps = warps or min(MOST_WARPS, pl.next_power_of_2(pl.cdiv(width, 32 * PER_THREAD)))
    indices, values = pl.pallas_call(
        functools.partial(_kernel, k=k, length=32 * VECTOR * warps),
        grid=(batch,),
        out_shape=[jax.ShapeDtypeStruct((batch, k), dtype) for dtype in (jnp.int32, jnp.float32)],
        compiler_params=triton.CompilerParams(num_warps=warps, num_stages=1),
        interpret=interpret,
        name="resident_pursuit",
    )(correlations.astype(jnp.float32), gram)
    return indices, values


def _kernel(correlations, gram, indices, values, *, k, length):
    sample, width = pl.program_id(0), gram.shape[0]
    inside, starts = jax.lax.iota(jnp.int32, length), range(0, width, length)

    def read(ref, row, start):
        mask = None if start + length <= width else start + inside < width
        return triton.load(ref.at[row, start + inside], mask=mask, other=None if mask is None else 0.0)

    def pick(parts):
        """Value and first index of the maximum: across the parts in each thread, then across threads."""
        best, place = parts[0], jnp.zeros(length, jnp.int32)
        for start, part in zip(starts[1:], parts[1:], strict=True):
            better = part > best
            best, place = jnp.where(better, part, best), jnp.where(better, start, place)
        top = jnp.max(best)
        return top, jnp.min(jnp.where(best == top, place + inside, width))

    def alive(carry):
        step, _, top, _, _ = carry
        return (step < k) & (top > 0)

    def take(carry):
        step, broken, top, index, parts = carry
        triton.store(indices.at[sample, step], index)
        triton.store(values.at[sample, step], top)
        parts = tuple(
            part - top * read(gram, index, start).astype(jnp.float32)
            for start, part in zip(starts, parts, strict=True)
        )
        broken = jnp.maximum(broken, (top == jnp.inf).astype(jnp.int32))
        top, index = pick(parts)
        return step + 1, broken, jnp.where(broken > 0, 0.0, top), index, parts

    # Outside the width the correlations are 0 and stay so: they are never a positive maximum.
    parts = tuple(read(correlations, sample, start) for start in starts)
    broken = functools.reduce(jnp.maximum, [jnp.max((part != part).astype(jnp.int32)) for part in parts])
    top, index = pick(parts)
    start = jnp.int32(0), broken, jnp.where(broken > 0, 0.0, top), index, parts
    step, broken, *_ = jax.lax.while_loop(alive, take, start)
    slots = jax.lax.iota(jnp.int32, pl.next_power_of_2(k))
    rest = (slots >= step) & (slots < k)
    tail = jnp.where(jnp.full(len(slots), broken) > 0, jnp.nan, 0.0)
    triton.store(indices.at[sample, slots], jnp.zeros_like(slots), mask=rest)
    triton.store(values.at[sample, slots], tail, mask=rest)
