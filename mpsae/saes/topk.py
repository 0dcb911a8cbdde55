"""TopK: the k largest ReLU pre-activations of each row (arXiv 2406.04093)."""

import jax
import jax.numpy as jnp

from mpsae import dead
from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.sae import leaf, static


class TopK(OneShot, name="topk"):
    """z = the k largest of ReLU(π), loss ‖x - x̂‖² + auxk · AuxK.

    AuxK lets latents silent for `dead_window` steps code the error: `auxk_k` of them (0 means
    dim/2), see `dead.auxk`. `replace(k=...)` changes the sparsity at inference.
    """

    k: int = static(default=32, low=1)
    auxk_k: int = static(default=0, low=0)
    auxk: float = leaf(default=1 / 32, low=0.0)
    dead_window: float = leaf(default=1000.0, low=1.0)

    @property
    def nested(self):
        return True  # top_k orders by size

    def init_state(self, params):
        return {"silent": jnp.zeros(len(params["atoms"]), jnp.int32)}

    def encode(self, params, x):
        values, indices = jax.lax.top_k(jax.nn.relu(self.preactivation(params, x)), self.k)
        return Code(values=values, indices=indices, width=len(params["atoms"]))

    def penalty(self, params, x, code, ctx):
        error = x - self.decode(params, code)
        asleep = ctx.state["silent"] >= self.dead_window
        count = self.auxk_k or max(x.shape[-1] // 2, 1)
        return self.auxk * dead.auxk(self.preactivation(params, x), params["atoms"], error, asleep, count)

    def update(self, params, x, code, ctx):
        return ctx.state | {"silent": dead.silence(ctx.state["silent"], code)}
