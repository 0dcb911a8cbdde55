"""The optimiser every variant is trained with: clipped Adam on a warm-up/constant/decay schedule."""

import dataclasses

import flax.struct as struct
import jax.numpy as jnp
import optax
from jaxtyping import Array

from mpsae.fields import check, leaf, static


class Optim(struct.PyTreeNode, kw_only=True):
    """How long and how fast: `steps` of `batch` rows, Adam, and a global gradient clip.

    The rate climbs linearly from 0 over the first `warmup` steps, stays at `lr`, and falls
    linearly to `floor`·lr over the last share `decay` of training.
    """

    steps: int = static(default=10_000, low=1)
    batch: int = static(default=1024, low=1)
    lr: float = leaf(default=3e-4, low=0.0)
    beta1: float = leaf(default=0.9, low=0.0, below=1.0)
    beta2: float = leaf(default=0.999, low=0.0, below=1.0)
    clip: float = leaf(default=1.0, above=0.0)
    warmup: float = leaf(default=100.0, low=0.0)
    decay: float = leaf(default=0.2, low=0.0, high=1.0)
    floor: float = leaf(default=0.1, low=0.0, high=1.0)

    def rate(self, step: Array | int) -> Array:
        """Learning rate of step 0, 1, ..."""
        rise = jnp.where(step < self.warmup, step / jnp.maximum(self.warmup, 1e-9), 1.0)
        left = (step - (1 - self.decay) * self.steps) / jnp.maximum(self.decay * self.steps, 1e-9)
        fall = 1 - (1 - self.floor) * jnp.clip(left, 0.0, 1.0)
        return self.lr * rise * fall

    def transform(self) -> optax.GradientTransformation:
        """The optax chain; all numbers in it may be traced, so a stack may differ in them."""
        return optax.chain(
            optax.clip_by_global_norm(self.clip),
            optax.scale_by_adam(b1=self.beta1, b2=self.beta2),
            optax.scale_by_schedule(lambda count: -self.rate(count)),
        )

    def validate(self) -> None:
        """Refuse numbers outside their range, by ValueError."""
        for field in dataclasses.fields(self):
            check("optim", field, getattr(self, field.name))


PAPER_TOY = Optim(steps=15_000, batch=200, lr=3e-2, beta1=0.5, beta2=0.9375)
