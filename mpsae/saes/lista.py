"""LISTA: a few learned steps of iterative soft thresholding instead of one matrix product."""

import jax
import jax.numpy as jnp

from mpsae import norms
from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.sae import leaf, static
from mpsae.steered import WithL1


class Lista(WithL1, OneShot, name="lista"):
    """z ← ReLU(z + (x - bias - z D) W - t), `depth` times from z = 0; loss ‖x - x̂‖² + λ Σ z_i ‖d_i‖.

    Param `encoder_bias` is -t, one threshold per latent, and `encoder` W [dim, width], shared by all steps,
    starts as `step` times the unit atoms; depth 1 is the one-shot ReLU SAE. The residual guides every
    step, as in a pursuit, but all latents move at once. λ as in `WithL1`. Source: Gregor and LeCun,
    Learning fast approximations of sparse coding, 2010, with the decoder as the lateral matrix.
    """

    depth: int = static(default=4, low=1)
    step: float = leaf(default=0.5, above=0.0)
    first_threshold: float = leaf(default=0.05, low=0.0)

    def init(self, key, dim, width):
        params = super().init(key, dim, width)
        return params | {
            "encoder": self.step * params["encoder"],
            "encoder_bias": jnp.full(width, -self.first_threshold, jnp.float32),
        }

    def encode(self, params, x):
        atoms, encoder, shift = params["atoms"], params["encoder"], params["encoder_bias"]
        centred = x - (params["bias"] if self.centre == "bias" else 0.0)

        def one(z, _):
            return jax.nn.relu(z + (centred - z @ atoms) @ encoder + shift), None

        first = jax.nn.relu(centred @ encoder + shift)
        z, _ = jax.lax.scan(one, first, length=self.depth - 1)
        return Code(values=z, width=z.shape[-1])

    def penalty(self, params, x, code, ctx):
        return self.strength(code, ctx)[1] * (code.values @ norms.sizes(params["atoms"])).mean()
