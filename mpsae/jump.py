"""The jump: a value above its threshold, with the pseudo-gradients that train the threshold.

With the rectangle K(u) = 1 for |u| < 1/2 and a bandwidth ε (arXiv 2407.14435):

    z = π·1[π > θ],  ∂z/∂π = 1[π > θ],  ∂z/∂θ ≈ -(θ/ε) K((π - θ)/ε)
    s = 1[π > θ],    ∂s/∂π = 0,         ∂s/∂θ ≈ -(1/ε) K((π - θ)/ε)

The true derivatives in θ are 0 almost everywhere; the rectangle stands for the density of π at θ.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@jax.custom_vjp
def jump(
    pre: Float[Array, "batch width"], threshold: Float[Array, " width"], bandwidth: Float[Array, ""]
) -> Float[Array, "batch width"]:
    """π where it exceeds θ, else 0."""
    return jnp.where(pre > threshold, pre, 0.0)


@jax.custom_vjp
def step(
    pre: Float[Array, "batch width"], threshold: Float[Array, " width"], bandwidth: Float[Array, ""]
) -> Float[Array, "batch width"]:
    """1 where π exceeds θ, else 0."""
    return (pre > threshold).astype(pre.dtype)


def _near(pre, threshold, bandwidth):
    return (jnp.abs(pre - threshold) < bandwidth / 2).astype(pre.dtype) / bandwidth


def _save_jump(pre, threshold, bandwidth):
    return jump(pre, threshold, bandwidth), (pre, threshold, bandwidth)


def _jump_back(saved, grad):
    pre, threshold, bandwidth = saved
    slope = -(grad * _near(pre, threshold, bandwidth)).sum(0) * threshold
    return jnp.where(pre > threshold, grad, 0.0), slope, jnp.zeros_like(bandwidth)


def _save_step(pre, threshold, bandwidth):
    return step(pre, threshold, bandwidth), (pre, threshold, bandwidth)


def _step_back(saved, grad):
    pre, threshold, bandwidth = saved
    slope = -(grad * _near(pre, threshold, bandwidth)).sum(0)
    return jnp.zeros_like(pre), slope, jnp.zeros_like(bandwidth)


jump.defvjp(_save_jump, _jump_back)
step.defvjp(_save_step, _step_back)
