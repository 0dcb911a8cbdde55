"""Gated SAE: one half decides which latents fire, the other how strongly (arXiv 2404.16014)."""

import jax
import jax.numpy as jnp

from mpsae import norms
from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.sae import leaf, static
from mpsae.steered import WithL1

FREEZE = {"frozen": jax.lax.stop_gradient, "trained": lambda atoms: atoms}


class Gated(WithL1, OneShot, name="gated"):
    """z = 1[u + b_g > 0] ⊙ ReLU(e^r ⊙ u + b_m), u = (x - bias) W.

    Params: `encoder` W, `encoder_bias` the gate's b_g, `gain` r and `magnitude_bias` b_m. The gate learns
    from two terms of its own, on g = ReLU(u + b_g): λ Σ g_i ‖d_i‖, λ as in `WithL1`, and
    ‖x - (g D + bias)‖². aux_decoder: in the latter D and bias are constants (`frozen`, as published) or
    not (`trained`, as in SAELens).
    """

    aux_decoder: str = static(default="frozen", choices=tuple(FREEZE))
    l1: float = leaf(default=0.1, low=0.0)

    def init(self, key, dim, width):
        return super().init(key, dim, width) | {"gain": jnp.zeros(width), "magnitude_bias": jnp.zeros(width)}

    def encode(self, params, x):
        gate = self.preactivation(params, x)
        linear = gate - params["encoder_bias"]
        magnitude = jax.nn.relu(jnp.exp(params["gain"]) * linear + params["magnitude_bias"])
        return Code(values=jnp.where(gate > 0, magnitude, 0.0), width=gate.shape[-1])

    def penalty(self, params, x, code, ctx):
        gate = jax.nn.relu(self.preactivation(params, x))
        hold = FREEZE[self.aux_decoder]
        guess = gate @ hold(params["atoms"]) + hold(params["bias"])
        sparse = (gate @ norms.sizes(params["atoms"])).mean()
        return self.strength(code, ctx)[1] * sparse + jnp.square(x - guess).sum(-1).mean()
