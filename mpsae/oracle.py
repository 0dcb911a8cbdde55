"""The rows without which a score cannot be read: the truth itself, and random dictionaries."""

import dataclasses
from typing import Any

import flax.struct as struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mpsae.code import Code
from mpsae.sae import pick

Params = dict[str, Array]


class TrueCodes(struct.PyTreeNode):
    """The true atoms with the true codes, which the scorer hands to `encode_true`."""

    def encode_true(self, params: Params, x: Array, zt: Float[Array, "batch P"]) -> Code:
        """The true codes themselves."""
        return Code(values=zt, width=zt.shape[1])

    def decode(self, params: Params, code: Code) -> Float[Array, "batch dim"]:
        """x̂ = z D + bias."""
        return code.decode(params["atoms"]) + params["bias"]


class Projection(struct.PyTreeNode):
    """One projection x Dᵀ, of which the k largest positive entries are kept."""

    k: int = struct.field(pytree_node=False)

    def encode(self, params: Params, x: Float[Array, "batch dim"]) -> Code:
        """The k largest positive projections."""
        width = len(params["atoms"])
        values, indices = jax.lax.top_k((x - params["bias"]) @ params["atoms"].T, min(self.k, width))
        return Code(values=jnp.maximum(values, 0.0), indices=indices, width=width)

    def decode(self, params: Params, code: Code) -> Float[Array, "batch dim"]:
        """x̂ = z D + bias."""
        return code.decode(params["atoms"]) + params["bias"]


def true_params(world: Any) -> Params:
    """Atoms and offset of a world as the params of any pursuit or projection."""
    atoms = jnp.asarray(world.atoms, jnp.float32)
    bias = jnp.zeros(atoms.shape[1]) if world.offset is None else jnp.asarray(world.offset, jnp.float32)
    return {"atoms": atoms, "bias": bias}


def oracle_codes(world: Any) -> tuple[TrueCodes, Params]:
    """The row `oracle_codes`: true dictionary, true codes."""
    return TrueCodes(), true_params(world)


def oracle_topk(world: Any) -> tuple[Projection, Params]:
    """The row `oracle_topk`: true dictionary, one projection, as many codes as the true L0."""
    return Projection(k=_k(world)), true_params(world)


def random_dictionary(world: Any, width: int, key: Array) -> tuple[Projection, Params]:
    """The floor row `random`: Gaussian directions, otherwise as `oracle_topk`."""
    rows = jax.random.normal(key, (width, world.atoms.shape[1]))
    atoms = rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
    return Projection(k=min(_k(world), width)), true_params(world) | {"atoms": atoms}


def _k(world: Any) -> int:
    return max(1, round(float(world.true_l0)))


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
        params = pick(DICTIONARIES, self.dictionary, "dictionary")(world, key)
        return TrueCodes() if self.encoder is None else self.encoder, params


def _random_params(world: Any, key: Array) -> Params:
    return random_dictionary(world, len(world.atoms), key)[1]


DICTIONARIES = {"true": lambda world, key: true_params(world), "random": _random_params}
