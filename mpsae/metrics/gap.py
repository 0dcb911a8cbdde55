"""The modality gap: how far apart images and texts lie, and how close pairs are, before any code.

Rows are taken as the source gives them, centred or not. Cosines are means over all held-out
pairs; a zero row has cosine 0 with everything, and a row that occurs twice counts twice.
"""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import Value, metric, ratio, statistic
from mpsae.overlap import normalised
from mpsae.pairs import split


@statistic(needs="pairs")
def sum_unit(b):
    """[2, dim] Σ x/‖x‖ over images, over texts."""
    return jnp.stack([rows.sum(0) for rows in split(_unit(b.x))])


@statistic(needs="pairs")
def sum_cosine(b):
    """[3] Σ over pairs of cos(image, text); images, texts other than 0."""
    image, text = split(_unit(b.x))
    counts = [jnp.any(rows != 0, axis=1).sum() for rows in (image, text)]
    return jnp.stack([(image * text).sum(), *counts])


@metric
def gap(side_means, n):
    """‖mean image - mean text‖ of x; >= 0, input units."""
    return Value(float(np.linalg.norm(side_means[0, 0] - side_means[0, 1])), int(n // 2))


@metric
def gap_xhat(side_means, n):
    """‖mean image - mean text‖ of x̂; >= 0, input units."""
    return Value(float(np.linalg.norm(side_means[1, 0] - side_means[1, 1])), int(n // 2))


@metric
def pair_cos(sum_cosine, n):
    """Mean over pairs of cos(image, text); [-1, 1], dimensionless."""
    return Value(float(sum_cosine[0] / (n / 2)), int(n // 2))


@metric
def cross_cos(sum_unit, sum_cosine, n):
    """Mean of cos(image, text) over all that are no pair; [-1, 1], dimensionless."""
    return _off_diagonal(sum_unit[0] @ sum_unit[1] - sum_cosine[0], n // 2)


@metric
def within_cos_image(sum_unit, sum_cosine, n):
    """Mean cosine of two images of different pairs; [-1, 1], dimensionless."""
    return _off_diagonal(sum_unit[0] @ sum_unit[0] - sum_cosine[1], n // 2)


@metric
def within_cos_text(sum_unit, sum_cosine, n):
    """Mean cosine of two texts of different pairs; [-1, 1], dimensionless."""
    return _off_diagonal(sum_unit[1] @ sum_unit[1] - sum_cosine[2], n // 2)


@metric
def gap_share(pool):
    """Share of the variance of x in the direction of the gap, on the pool; [0, 1], dimensionless.

    The variance inside each modality along that direction is in it: it is more than ‖gap‖²/4 over
    the variance. Null without a gap.
    """
    image, text = pool.image.x, pool.text.x
    apart = image.mean(0) - text.mean(0)
    away = np.concatenate([image, text])
    away = away - away.mean(0)
    if not apart.any():
        return Value(None, len(image), note="there is no gap")
    along = np.square(away @ apart).sum() / (apart @ apart)
    return ratio(along, np.square(away).sum(), count=len(image), note="x is constant")


@metric
def gap_w1(pool):
    """Wasserstein-1 distance of the pool's images and texts, cost 1 - cos; [0, 2], dimensionless.

    Exact: for two sets of one size the optimal plan is an assignment.
    """
    from scipy.optimize import linear_sum_assignment

    cost = 1 - normalised(pool.image.x) @ normalised(pool.text.x).T
    return Value(float(cost[linear_sum_assignment(cost)].mean()), len(cost))


def _unit(x):
    norms = jnp.linalg.norm(x, axis=1, keepdims=True)
    return x / jnp.where(norms > 0, norms, 1.0)


def _off_diagonal(total, pairs):
    return ratio(total, pairs * (pairs - 1), count=int(pairs * (pairs - 1)), note="one pair only")
