"""Shuffled epochs without memory: where position t of an endless shuffled stream points to."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, UInt32

# With 4 double rounds and no floor on the bits, pairs of rows were measurably uneven for n = 5.
ROUNDS = 6  # double rounds: each half is hashed into the other once
MIN_BITS = 6

State = tuple[Array, Array, Array, Array, Array]  # place, outside, n, salts, bits


def shuffled(key: Array, n: Array | int, positions: Int[Array, "..."]) -> Int[Array, "..."]:
    """Row of range(n) at each position of the stream; every epoch is its own permutation.

    Positions e·n ... e·n + n - 1 hit every row exactly once, in an order fixed by
    (key, e) alone. A Feistel network permutes the 2^b ≥ n numbers of b bits; a result
    outside of range(n) is sent through again until it falls inside ("cycle walking"),
    which is again a permutation and takes less than 2 passes on average
    once n > 32. Positions count in 32 bits: the stream wraps after 2³² rows.
    """
    n = jnp.asarray(n).astype(jnp.uint32)
    positions = jnp.asarray(positions).astype(jnp.uint32)
    epochs, place = positions // n, positions % n
    keys = jax.random.bits(key, (ROUNDS, 2), jnp.uint32)
    salts = _mix(epochs ^ keys[(...,) + (None,) * epochs.ndim])
    bits = jnp.maximum(jnp.uint32(MIN_BITS), 32 - jax.lax.clz(n - 1))  # the length of n - 1
    state = (place, place < n, n, salts, bits)
    return jax.lax.while_loop(_unfinished, _walk, state)[0].astype(jnp.int32)


# These two are closed over nothing, so a call outside of jit finds its loop compiled already.
def _unfinished(state: State) -> Array:
    return state[1].any()


def _walk(state: State) -> State:
    place, outside, n, salts, bits = state
    place = jnp.where(outside, _permute(place, salts, bits), place)
    return place, place >= n, n, salts, bits


def _permute(
    place: UInt32[Array, "..."], salts: UInt32[Array, "rounds 2 ..."], bits: UInt32[Array, ""]
) -> UInt32[Array, "..."]:
    """One pass of the Feistel network on `bits` bits, split into two parts that may differ by one."""
    low_bits, one = bits // 2, jnp.uint32(1)
    low_mask, high_mask = (one << low_bits) - 1, (one << (bits - low_bits)) - 1
    low, high = place & low_mask, place >> low_bits
    for to_low, to_high in salts:
        low = low ^ (_mix(high ^ to_low) & low_mask)
        high = high ^ (_mix(low ^ to_high) & high_mask)
    return (high << low_bits) | low


def _mix(word: UInt32[Array, "..."]) -> UInt32[Array, "..."]:
    """The 32-bit finaliser of MurmurHash3: a bijection in which each input bit moves all output bits."""
    word = (word ^ (word >> 16)) * jnp.uint32(0x85EBCA6B)
    word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
    return word ^ (word >> 16)
