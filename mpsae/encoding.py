"""How the scorer encodes: the code as the SAE says it, and the part of it that counts as active."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from mpsae import tally
from mpsae.code import Code


def encode(sae: Any, params: dict, x: Float[Array, "batch dim"], zt: Array | None) -> Code:
    """The code of x. The oracle reads the true codes; nothing else ever sees them."""
    given = getattr(sae, "encode_true", None)
    return sae.encode(params, x) if given is None else given(params, x, zt)


def active(code: Code, lengths: Float[Array, " width"], eps: Array | float) -> Code:
    """The code with its repeats merged, and 0 where at most eps on a unit atom."""
    code = code.merged()
    return code.replace(values=above(code.values, tally.of_latent(code, lengths), eps))


def above(values: Array, lengths: Array, eps: Array | float) -> Array:
    """The values, 0 where |value|·length is at most eps."""
    return jnp.where(jnp.abs(values) * lengths <= eps, 0.0, values)
