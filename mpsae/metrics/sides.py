"""Sums over the rows of each modality, and how much of each is reconstructed."""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import metric, statistic
from mpsae.metrics.reconstruction import one_minus
from mpsae.pairs import split


@statistic(needs="pairs")
def sum_sides(b):
    """[2, 4, dim] over images, over texts: Σ(x - center), Σ(x - center)², Σ(x̂ - center), Σe²."""

    def sums(x, xhat):
        away = x - b.center
        return jnp.stack([away, jnp.square(away), xhat - b.center, jnp.square(x - xhat)]).sum(1)

    return jnp.stack([sums(*rows) for rows in split((b.x, b.xhat))])


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
