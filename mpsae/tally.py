"""Sums over the rows of a code, written once for its dense and its sparse form.

`entries` has the shape of `code.values`: one number per entry, 0 where the value is 0, for
a sparse code says nothing of the latents it does not list. Quantities of a row need no
helper: `jnp.square(b.active.values).sum(1)` is right in both forms. The code has no latent
twice in a row (`Batch.active`, `Code.merged`).
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mpsae.code import Code

CHEAP = 32  # a product of dense codes is this much cheaper per entry than scattering pairs


def per_latent(code: Code, entries: Array) -> Float[Array, " width"]:
    """Σ over rows of the entries of each latent."""
    if code.indices is None:
        return entries.astype(jnp.float32).sum(0)
    return jnp.zeros(code.width).at[code.indices].add(entries.astype(jnp.float32))


def of_latent(code: Code, table: Float[Array, " width"]) -> Float[Array, "..."]:
    """table[i] of the latent of each entry, to be broadcast with `code.values`."""
    return table[None] if code.indices is None else table[code.indices]


def columns(code: Code, match: Int[Array, " P"]) -> Float[Array, "batch P"]:
    """The values of the latent of each feature, 0 where `match` is -1."""
    if code.indices is None:
        return jnp.where(match >= 0, code.values[:, match], 0.0)
    slot, column = slots(match, code.width)
    rows = jnp.arange(len(code.values))[:, None]
    found = (
        jnp.zeros((len(code.values), len(match))).at[rows, slot[code.indices]].add(code.values, mode="drop")
    )
    return jnp.where(match >= 0, found[:, column], 0.0)


def slots(match: Int[Array, " P"], width: int) -> tuple[Int[Array, " width"], Int[Array, " P"]]:
    """(slot of each latent, slot of each feature): P slots instead of `width`, one per matched latent.

    A latent that serves several features has one slot, which they share; one that serves none
    has slot P, to be dropped.
    """
    count = len(match)
    slot = jnp.full(width, count).at[jnp.where(match >= 0, match, width)].set(jnp.arange(count), mode="drop")
    return slot, slot[match]


def second_moment(code: Code) -> Float[Array, "width width"]:
    """ZᵀZ."""
    return cross_moment(code, code)


def cross_moment(one: Code, other: Code) -> Float[Array, "width width"]:
    """Z₁ᵀZ₂ of two codes of the same rows, both dense or both sparse."""
    if one.indices is None or other.indices is None or one.width <= CHEAP * one.indices.shape[1]:
        return one.dense().T @ other.dense()
    pairs = one.values[:, :, None] * other.values[:, None, :]
    table = jnp.zeros((one.width, other.width))
    return table.at[one.indices[:, :, None], other.indices[:, None, :]].add(pairs)


def to_csr(code: Code) -> Any:
    """The code as a scipy.sparse array [batch, width] in float64."""
    from scipy.sparse import csr_array

    values = np.asarray(code.values, np.float64)
    if code.indices is None:
        return csr_array(values)
    rows, entries = np.nonzero(values)
    latents = np.asarray(code.indices)[rows, entries]
    return csr_array((values[rows, entries], (rows, latents)), shape=(len(values), code.width))
