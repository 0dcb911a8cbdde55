"""Sums over the rows of each modality, and how much of each is reconstructed."""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import metric, shared, statistic
from mpsae.metrics.reconstruction import one_minus
from mpsae.pairs import split


@shared
def side_center(pool):
    """[2, dim] the mean image, the mean text of the pool, float32: near the means, so nothing cancels."""
    return np.stack([side.x.mean(0) for side in (pool.image, pool.text)]).astype(np.float32)


@statistic(needs=("pairs", "side_center"))
def sum_sides(b):
    """[2, 4, dim] over images, over texts: Σ(x - center), Σ(x - center)², Σ(x̂ - center), Σe²."""

    def sums(x, xhat, center):
        away = x - center
        return jnp.stack([away, jnp.square(away), xhat - center, jnp.square(x - xhat)]).sum(1)

    sides = zip(split((b.x, b.xhat)), b.given["side_center"], strict=True)
    return jnp.stack([sums(*rows, center) for rows, center in sides])


@shared
def side_means(sum_sides, side_center, n):
    """[2, 2, dim] the mean image, the mean text; of x, then of x̂."""
    return side_center + np.stack([sum_sides[:, 0], sum_sides[:, 2]]) / (n / 2)


@metric
def ev_image(sum_sides, n):
    """1 - SSE / SST of the images about their own mean; (-inf, 1], dimensionless."""
    return explained(sum_sides[0], n / 2)


@metric
def ev_text(sum_sides, n):
    """1 - SSE / SST of the texts about their own mean; (-inf, 1], dimensionless."""
    return explained(sum_sides[1], n / 2)


def explained(sums, rows):
    """`ev` of one modality; SST is exactly 0 where float32 cannot tell it from 0, as in `ev`."""
    away, square, _, error = sums
    sst = square - away**2 / rows
    return one_minus(error.sum(), np.where(sst > 1e-7 * square, sst, 0.0).sum())
