"""Latents that stopped firing: how long each has been silent, and the AuxK loss that wakes them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from mpsae.code import Code
from mpsae.fields import leaf, static
from mpsae.oneshot import OneShot


def silence(silent: Int[Array, " width"], code: Code) -> Int[Array, " width"]:
    """Steps since each latent last fired: 0 where it fired in this batch, else one more."""
    return jnp.where(code.fired(), 0, silent + 1)


def auxk(
    preactivation: Float[Array, "batch width"],
    atoms: Float[Array, "width dim"],
    error: Float[Array, "batch dim"],
    dead: Bool[Array, " width"],
    k: int,
) -> Float[Array, ""]:
    """‖e - ê‖² / ‖e - mean e‖², ê decoded from the k largest dead pre-activations (no bias).

    e = x - x̂ is a constant here. 0 when no latent is dead or the ratio is undefined.
    Source: OpenAI recipe (arXiv 2406.04093) as in saprmarks/dictionary_learning.
    """
    error = jax.lax.stop_gradient(error)

    def value(_):
        candidates = jnp.where(dead, jax.nn.relu(preactivation), 0.0)
        values, indices = jax.lax.top_k(candidates, min(k, len(atoms)))
        guess = Code(values=values, indices=indices, width=len(atoms)).decode(atoms)
        spread = jnp.square(error - error.mean(0)).sum()
        ratio = jnp.square(error - guess).sum() / jnp.where(spread > 0, spread, 1.0)
        return jnp.where(spread > 0, ratio, 0.0)

    return jax.lax.cond(dead.any(), value, lambda _: jnp.zeros((), error.dtype), None)


class WithAuxK(OneShot, abstract=True):
    """Adds auxk · AuxK to the loss of a one-shot SAE; `state["silent"]` counts silent steps.

    A latent silent for `dead_window` steps is dead; `auxk_k` of them (0 means dim/2) code the error.
    """

    auxk_k: int = static(default=0, low=0)
    auxk: float = leaf(default=1 / 32, low=0.0)
    dead_window: float = leaf(default=1000.0, low=1.0)

    def init_state(self, params):
        return {"silent": jnp.zeros(len(params["atoms"]), jnp.int32)}

    def penalty(self, params, x, code, ctx):
        error = x - self.decode(params, code)
        asleep = ctx.state["silent"] >= self.dead_window
        count = self.auxk_k or max(x.shape[-1] // 2, 1)
        return self.auxk * auxk(self.preactivation(params, x), params["atoms"], error, asleep, count)

    def update(self, params, x, code, ctx):
        return ctx.state | {"silent": silence(ctx.state["silent"], code)}
