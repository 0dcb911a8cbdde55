"""One-shot codes cut at a learned threshold: the inference form of BatchTopK and its kin."""

import jax
import jax.numpy as jnp

from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.saes.topk import TopK


class Threshold(OneShot, name="threshold"):
    """z = ReLU(π) where it exceeds θ, else 0; params hold `threshold`, a scalar or one per latent."""

    idle = ("threshold",)  # a step function has no gradient: θ comes from a variant that learned it

    def init(self, key, dim, width):
        return super().init(key, dim, width) | {"threshold": jnp.zeros(())}

    def at_k(self, k):
        return TopK(k=k, norm=self.norm, centre=self.centre)  # the k largest of the same pre-activations

    def encode(self, params, x):
        positive = jax.nn.relu(self.preactivation(params, x))
        return Code(values=jnp.where(positive > params["threshold"], positive, 0.0), width=positive.shape[-1])
