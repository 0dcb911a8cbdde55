"""In which order a pursuit selects: parents before children, level by step. Needs truth and steps().

The step of a feature is the first one that selects its matched latent with a nonzero value.
"""

import jax.numpy as jnp

from mpsae.metrics.base import Value, metric, statistic
from mpsae.metrics.hierarchy import by_level
from mpsae.tally import slots


@statistic(needs=("truth", "steps"))
def count_order(b):
    """[2, P] per child: rows where it and its parent are selected, those with the parent first."""
    indices, values = b.steps
    rows, last = jnp.arange(len(indices))[:, None], indices.shape[1]
    time = jnp.where(values != 0, jnp.arange(last), last)
    slot, column = slots(b.match, len(b.atoms))
    first = jnp.full((len(indices), len(b.match)), last).at[rows, slot[indices]].min(time, mode="drop")
    step = jnp.where(b.match >= 0, first[:, column], last)
    parent = jnp.where(b.world.parent >= 0, step[:, b.world.parent], last)
    both = (step < last) & (parent < last) & (step != parent)
    return jnp.stack([both.sum(0), (both & (parent < step)).sum(0)])


@statistic(needs=("truth", "steps"))
def sum_level(b):
    """[2, T] per step: selections of a matched latent, and the sum of its feature's level."""
    indices, values = b.steps
    width = len(b.atoms)
    level = jnp.full(width, -1).at[jnp.where(b.match >= 0, b.match, width)].set(b.world.level, mode="drop")
    chosen = level[indices]
    used = (values != 0) & (chosen >= 0)
    return jnp.stack([used.sum(0), jnp.where(used, chosen, 0).sum(0)])


@metric
def path_order(count_order, truth):
    """P(parent's step < child's step | both selected), pooled and per level of the child; [0, 1]."""

    def earlier(children):
        both, first = count_order[:, children].sum(1)
        return None if both == 0 else first / both

    return by_level(truth, truth.parent >= 0, earlier, note="never selected together")


@metric
def level_by_step(sum_level, truth):
    """Mean level of the feature whose latent step t selects, at step = 1, 2, ...; [0, deepest level]."""
    used, total = sum_level
    return [
        Value(None, 0, {"step": t + 1}, "nothing matched") if not used[t]
        else Value(float(total[t] / used[t]), int(used[t]), {"step": t + 1})
        for t in range(len(used))
    ]  # fmt: skip
