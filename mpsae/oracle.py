"""The rows without which a score cannot be read: the truth itself, and random dictionaries."""

import dataclasses
from typing import Any

import flax.struct as struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mpsae.code import Code
from mpsae.registry import pick

Params = dict[str, Array]


class Reader(struct.PyTreeNode):
    """Decodes like an SAE with a bias; the encoders below say how the codes are read off."""

    def decode(self, params: Params, code: Code) -> Float[Array, "batch dim"]:
        """x̂ = z D + bias."""
        return code.decode(params["atoms"]) + params["bias"]


class TrueCodes(Reader):
    """The true codes, which the scorer hands to `encode_true`."""

    def encode_true(self, params: Params, x: Array, zt: Float[Array, "batch P"]) -> Code:
        """The true codes themselves."""
        return Code(values=zt, width=zt.shape[1])


class Projection(Reader):
    """One projection x Dᵀ, of which the k largest positive entries are kept."""

    k: int = struct.field(pytree_node=False)

    def encode(self, params: Params, x: Float[Array, "batch dim"]) -> Code:
        """The k largest positive projections."""
        width = len(params["atoms"])
        values, indices = jax.lax.top_k((x - params["bias"]) @ params["atoms"].T, min(self.k, width))
        return Code(values=jnp.maximum(values, 0.0), indices=indices, width=width)


@dataclasses.dataclass(frozen=True)
class Bound:
    """A row that nobody trained: a dictionary (`true` or `random`) and an encoder for it.

    Without an encoder the true codes are used. The encoder's params are the atoms and the
    world's offset as `bias`.
    """

    name: str
    dictionary: str
    encoder: Any

    def build(self, world: Any, key: Array) -> tuple[Any, Params]:
        """(encoder, params) for one world; `key` draws the random dictionary, as wide as the true one."""
        atoms = pick(DICTIONARIES, self.dictionary, "dictionary")(jnp.asarray(world.atoms, jnp.float32), key)
        params = {"atoms": atoms, "bias": jnp.asarray(world.offset, jnp.float32)}
        return TrueCodes() if self.encoder is None else self.encoder, params


def _random(atoms: Array, key: Array) -> Array:
    rows = jax.random.normal(key, atoms.shape)
    return rows / jnp.linalg.norm(rows, axis=1, keepdims=True)


DICTIONARIES = {"true": lambda atoms, key: atoms, "random": _random}
