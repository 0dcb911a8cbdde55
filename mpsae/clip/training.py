"""The small CLIP learns from captioned scenes, fresh ones at every step."""

import math
import time
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from mpsae.clip.model import Clip, build, config, packages, pixels
from mpsae.clip.words import Words
from mpsae.progress import Progress
from synthetic.scene_batches import GROUP, heard, scenes_of_batch
from synthetic.scene_captions import vocabulary
from synthetic.scene_drawing import draw
from synthetic.scenes import jitter

LENGTH = 16  # word numbers per caption, its start and end included
GROUPS = 16  # per batch: 256 scenes
RATE, WARM_UP, BETAS, DECAY = 1.5e-3, 100, (0.9, 0.98), 0.1
TEMPERATURE = 0.04  # at the start, then learnt; from .07 on the two modalities end up closer (gap .35)


def fresh(seed: int = 0) -> Clip:
    """An untrained small CLIP whose words are those of the scenes' captions."""
    words = Words(vocabulary(), LENGTH)
    return build(config(words), words, seed=seed)


def batch(
    step: int, seed: int, *, groups: int = GROUPS
) -> tuple[Int[np.ndarray, "n factors"], UInt8[np.ndarray, "n 64 64 3"], list[str]]:
    """The scenes, images and captions of one step; they depend on (seed, step) alone."""
    rng = np.random.default_rng((seed, step))
    scenes = scenes_of_batch(groups, rng)
    return scenes, draw(scenes, jitter(groups * GROUP, rng)), heard(scenes, rng)


def train(
    clip: Clip, *, steps: int, seed: int = 0, groups: int = GROUPS, progress: Progress | None = None
) -> list[float]:
    """Fit `clip.net` in place by open_clip's contrastive loss; returns the loss of every step.

    AdamW with weight decay on matrices alone, warm-up, a cosine down to 0, gradient norm at most 1.
    On one machine and thread count, equal arguments give equal weights.
    """
    torch, open_clip = packages()

    optimizer, loss_of, losses = _optimizer(clip.net), open_clip.ClipLoss(), []
    with torch.no_grad():
        clip.net.logit_scale.fill_(math.log(1 / TEMPERATURE))
    clip.net.train()
    began = time.monotonic()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
        _, images, captions = batch(step, seed, groups=groups)
        tokens = torch.from_numpy(clip.words(captions))
        loss = loss_of(*clip.net(pixels(images), tokens)[:3])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(clip.net.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            clip.net.logit_scale.clamp_(0, math.log(100))
        losses.append(loss.item())
        if progress:
            left = (time.monotonic() - began) / (step + 1) * (steps - step - 1)
            recent = np.mean(losses[-50:])
            progress.show(f"clip: step {step + 1} of {steps}, loss {recent:.3f}, {left / 60:.1f} min left")
    clip.net.eval()
    return losses


def _optimizer(net: Any) -> Any:
    import torch

    matrices = [tensor for tensor in net.parameters() if tensor.ndim >= 2]
    others = [tensor for tensor in net.parameters() if tensor.ndim < 2]
    groups = [{"params": matrices, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=RATE, betas=BETAS)
