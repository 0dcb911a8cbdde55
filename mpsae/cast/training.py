"""CAST learns to put scenes where the frozen text tower of the small CLIP puts their captions."""

import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, PyTree, UInt8

from mpsae.cast.network import Cast
from mpsae.cast.superpixels import superpixels
from mpsae.clip.text import TextTower
from mpsae.clip.training import batch
from mpsae.progress import Progress
from synthetic.scene_drawing import SIDE

GROUPS = 4  # per batch: 64 scenes
RATE, WARM_UP, BETAS, DECAY = 2e-3, 50, (0.9, 0.98), 0.05
TEMPERATURE = 0.05  # at the start, then learnt


def fresh(seed: int = 0) -> PyTree:
    """Params of an untrained CAST: kernels and the class token normal, of variance 1 / inputs; scales 1, the rest 0."""
    places, rng = shapes(), np.random.default_rng(seed)
    params = {}
    for place in sorted(places):
        shape = places[place]
        if place[-1] in ("kernel", "class"):
            params[place] = (rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32)
        else:
            params[place] = np.full(shape, float(place[-1] == "scale"), np.float32)
    return jax.tree.map(jnp.asarray, unflatten_dict(params))


@functools.cache
def shapes() -> dict[tuple[str, ...], tuple[int, ...]]:
    """The shape at every place of the params."""
    images = jnp.zeros((1, SIDE, SIDE, 3))
    whole = jax.eval_shape(Cast().init, jax.random.key(0), images, jnp.zeros((1, SIDE, SIDE), jnp.int32))
    return {place: leaf.shape for place, leaf in flatten_dict(whole["params"]).items()}


def train(
    params: PyTree, tower: TextTower, *, steps: int, seed: int = 0, groups: int = GROUPS,
    progress: Progress | None = None,
) -> tuple[PyTree, list[float]]:  # fmt: skip
    """Params after `steps` and the loss of every step: CLIP's symmetric contrastive loss, texts fixed.

    Scenes and captions are those the small CLIP learns from (`mpsae.clip.training.batch`), fresh ones at every
    step. AdamW with weight decay on all but biases and scales, warm-up, a cosine down to 0, gradient norm at most 1. On
    one machine and thread count, equal arguments give equal params.
    """
    optimizer = _optimizer(steps)
    state = {"cast": params, "scale": jnp.log(1 / TEMPERATURE)}
    moments, losses = optimizer.init(state), []
    began = time.monotonic()
    for step in range(steps):
        _, images, captions = batch(step, seed, groups=groups)
        state, moments, loss = _stepped(state, moments, images, tower(captions), optimizer=optimizer)
        losses.append(float(loss))
        if progress:
            left = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
            recent = np.mean(losses[-50:])
            progress.show(f"cast: step {step + 1} of {steps}, loss {recent:.3f}, {left / 60:.1f} min left")
    return state["cast"], losses


def contrastive(
    images: Float[Array, "n dim"], texts: Float[Array, "n dim"], scale: Float[Array, ""]
) -> Float[Array, ""]:
    """Mean of both cross-entropies of scale · images textsᵀ, row i belonging to row i."""
    logits, own = scale * images @ texts.T, jnp.arange(len(images))
    both = [optax.softmax_cross_entropy_with_integer_labels(way, own).mean() for way in (logits, logits.T)]
    return (both[0] + both[1]) / 2


@functools.lru_cache(maxsize=1)
def _optimizer(steps: int) -> optax.GradientTransformation:
    rate = optax.warmup_cosine_decay_schedule(0.0, RATE, min(WARM_UP, steps), steps + 1)
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(
            rate, *BETAS, weight_decay=DECAY, mask=lambda tree: jax.tree.map(lambda x: x.ndim > 1, tree)
        ),
    )


@functools.partial(jax.jit, static_argnames="optimizer")
def _stepped(
    state: PyTree, moments: Any, images: UInt8[Array, "n 64 64 3"], texts: Float[Array, "n dim"], *,
    optimizer: optax.GradientTransformation,
) -> tuple[PyTree, Any, Float[Array, ""]]:  # fmt: skip
    scaled = images / 255
    groups = superpixels(scaled)

    def loss_of(state):
        seen = Cast().apply({"params": state["cast"]}, scaled, groups)
        return contrastive(seen.row, texts, jnp.exp(state["scale"]))

    loss, gradient = jax.value_and_grad(loss_of)(state)
    updates, moments = optimizer.update(gradient, moments, state)
    state = optax.apply_updates(state, updates)
    return state | {"scale": jnp.clip(state["scale"], 0.0, jnp.log(100.0))}, moments, loss
