"""What the SAEs with an encoder matrix share: params and pre-activations."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mpsae import sparse
from mpsae.code import Code
from mpsae.norms import sphere
from mpsae.sae import SAE, leaf, static

ENCODER_INIT = {
    "atoms": lambda rows, scale: sphere(rows),
    "scaled_atoms": lambda rows, scale: scale * sphere(rows),
    "gaussian": lambda rows, scale: rows / jnp.sqrt(rows.shape[1]),
    "standard": lambda rows, scale: rows,
}


class OneShot(SAE, abstract=True):
    """π = (x - bias) W + b, with params `encoder [dim, width]` and `encoder_bias [width]`.

    centre: `bias` subtracts the decoder bias before the encoder, `none` does not (the released
    toy code). encoder_init: W starts as the unit atoms (`atoms`), as the atoms (`scaled_atoms`), as
    N(0, 1/dim) (`gaussian`) or N(0, 1) (`standard`); atoms start as its unit rows times `atom_scale`.
    """

    centre: str = static(default="bias", choices=("bias", "none"))
    encoder_init: str = static(default="atoms", choices=tuple(ENCODER_INIT))
    atom_scale: float = leaf(default=1.0, low=0.0)

    def init(self, key, dim, width):
        rows = jax.random.normal(key, (width, dim))
        return {
            "atoms": self.atom_scale * sphere(rows),
            "bias": jnp.zeros(dim),
            "encoder": ENCODER_INIT[self.encoder_init](rows, self.atom_scale).T,
            "encoder_bias": jnp.zeros(width),
        }

    def preactivation(self, params: dict[str, Array], x: Array) -> Float[Array, "batch width"]:
        """π, before any nonlinearity."""
        shift = params["bias"] if self.centre == "bias" else 0.0
        return (x - shift) @ params["encoder"] + params["encoder_bias"]

    def positive(self, params: dict[str, Array], x: Array) -> Float[Array, "batch width"]:
        """ReLU(π) to choose entries from; `chosen` gives what was chosen its derivative."""
        positive = jax.nn.relu(self.preactivation(params, x))
        # On a large dictionary no [batch, width] gradient may appear, not even one of zeros.
        return positive if sparse.is_small(positive.shape[1]) else jax.lax.stop_gradient(positive)

    def chosen(
        self,
        params: dict[str, Array],
        x: Array,
        values: Float[Array, "batch k"],
        indices: Int[Array, "batch k"],
    ) -> Code:
        """The code of entries taken from `positive(params, x)`, differentiable in params and x."""
        width = len(params["encoder_bias"])
        if not sparse.is_small(width):
            values = sparse.chosen(jax.lax.stop_gradient(values), indices, *self.encoder(params, x))
        return Code(values=values, indices=indices, width=width)

    def encoder(self, params: dict[str, Array], x: Array) -> tuple[Array, Array, Array, Array]:
        """What π is made of: x, what is subtracted from it, W and b."""
        shift = params["bias"] if self.centre == "bias" else jnp.zeros_like(params["bias"])
        return x, shift, params["encoder"], params["encoder_bias"]
