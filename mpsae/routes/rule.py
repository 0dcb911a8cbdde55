"""What fixes a pursuit: its rule, and the rows it works with."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SELECT = {
    "relu_max": (lambda product: product, jax.nn.relu),
    "max": (lambda product: product, lambda value: value),
    "abs": (jnp.abs, lambda value: value),
}
REPEATS = ("accumulate", "stop", "ban")
TOLERANCES = ("absolute", "relative")
RESIDUAL_GRADIENTS = ("full", "detach")


class Rule(NamedTuple):
    """What fixes the loop: `k` steps at most and the enumerated options.

    select: `relu_max` takes the largest product and clips its value at 0, `max` keeps a
    negative value, `abs` takes the largest magnitude. on_repeat: `accumulate` lets an atom
    be taken again, `stop` ends the row after adding a repeated (or zero-valued) step, `ban`
    excludes taken atoms. slices: step t sees only slice t mod `slices` of the atoms.
    grad_residual: `detach` treats the residual inside every product as constant.
    """

    k: int
    select: str = "relu_max"
    on_repeat: str = "accumulate"
    tol_kind: str = "absolute"
    slices: int = 1
    grad_residual: str = "full"


class Encoder(NamedTuple):
    """Rows of their own that choose and weigh, with the offset added to their products."""

    rows: Float[Array, "width dim"]
    offset: Float[Array, " width"]


class Dictionary(NamedTuple):
    """What a pursuit works with; `encoder` None means that the atoms choose and weigh."""

    atoms: Float[Array, "width dim"]
    encoder: Encoder | None

    @property
    def rows(self) -> Float[Array, "width dim"]:
        """The rows whose products with the residual decide."""
        return self.atoms if self.encoder is None else self.encoder.rows

    def weigh(self, residual: Array, index: Array) -> Array:
        """e_i·r + o_i of one atom i per row of the residual."""
        rows = self.rows.at[index].get(mode="promise_in_bounds")
        value = (rows * residual).sum(-1)
        return value if self.encoder is None else value + self.encoder.offset[index]

    def shifted(self, products: Array) -> Array:
        """products + o; unchanged where the atoms themselves choose."""
        return products if self.encoder is None else products + self.encoder.offset
