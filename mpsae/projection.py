"""Encoders for any dictionary, by one projection on its atoms: the k largest, or all above one threshold."""

from typing import Any

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mpsae.code import Code

Params = dict[str, Array]
ROWS_AT_ONCE = 1024


class Reader(struct.PyTreeNode):
    """Decodes like an SAE with a bias; a subclass says how the codes are read off."""

    def decode(self, params: Params, code: Code) -> Float[Array, "batch dim"]:
        """x̂ = z D + bias."""
        return code.decode(params["atoms"]) + params["bias"]


class Projection(Reader):
    """One projection x Dᵀ, of which the k largest positive entries are kept."""

    k: int = struct.field(pytree_node=False)

    def encode(self, params: Params, x: Float[Array, "batch dim"]) -> Code:
        """The k largest positive projections."""
        width = len(params["atoms"])
        values, indices = jax.lax.top_k((x - params["bias"]) @ params["atoms"].T, min(self.k, width))
        return Code(values=jnp.maximum(values, 0.0), indices=indices, width=width)


class Cut(Reader):
    """One projection x Dᵀ, of which the entries above one `threshold` for all latents are kept.

    `calibrated` sets the threshold so that the mean L0 is `l0` on training rows.
    """

    l0: float = struct.field(pytree_node=False)

    def encode(self, params: Params, x: Float[Array, "batch dim"]) -> Code:
        """The projections above the threshold."""
        products = (x - params["bias"]) @ params["atoms"].T
        values = jnp.where(products > params["threshold"], products, 0.0)
        return Code(values=values, width=len(params["atoms"]))


def calibrated(encoder: Any, params: Params, x: Float[np.ndarray, "rows dim"]) -> Params:
    """The params with what the encoder takes from training rows: the threshold of a `Cut`, else nothing."""
    if not isinstance(encoder, Cut):
        return params
    return params | {"threshold": jnp.float32(threshold(params, x, encoder.l0))}


def threshold(params: Params, x: Float[np.ndarray, "rows dim"], l0: float) -> float:
    """The θ >= 0 that round(l0 · rows) projections exceed, fewer where fewer are positive (then θ = 0)."""
    count = round(l0 * len(x))
    largest = np.zeros(0, np.float32)  # of the rows so far: one more than are to exceed θ
    for start in range(0, len(x), ROWS_AT_ONCE):
        with jax.default_matmul_precision("highest"):  # as when it is scored
            products = (x[start : start + ROWS_AT_ONCE] - params["bias"]) @ params["atoms"].T
        largest = np.concatenate([largest, np.maximum(products, 0.0).ravel()])
        if len(largest) > count:
            largest = np.partition(largest, len(largest) - count - 1)[-count - 1 :]
    return float(largest.min()) if len(largest) > count else 0.0
