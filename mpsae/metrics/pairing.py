"""Which latent is which feature, and how often the two are on together. Every value needs truth.

C = D̂ D*ᵀ is the p x P matrix of cosines (zero atoms: 0). Nothing here is a p x P table: C is
read in blocks of rows or by pairs (`overlap`), and rows are counted for the pairs that a
metric asks about, which are known before the first row is.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from mpsae import match as matching
from mpsae.metrics.base import shared, statistic
from mpsae.overlap import Overlap, blocks
from mpsae.tally import columns, of_latent, per_latent


class Nearest(NamedTuple):
    """What one pass over C leaves behind, for latents and for features."""

    cosine: np.ndarray  # [p] max_j C_ij
    feature: np.ndarray  # [p] argmax_j C_ij
    feature_abs: np.ndarray  # [p] argmax_j |C_ij|
    cosine_true: np.ndarray  # [P] max_i C_ij
    latent: np.ndarray  # [P] argmax_i C_ij, -1 where C_ij = 0 for all i


@shared
def cosines(atoms, truth):
    """C [p, P], whole: for metrics that need all of it at once. Null above `bounds.TABLE`."""
    return matching.cosines(atoms, truth.atoms)


@shared
def overlap(atoms, truth):
    """C [p, P] at any size, an `Overlap`: read it as C[rows] or C[latents, features]."""
    return Overlap(atoms, truth.atoms)


@shared
def nearest(overlap):
    """The nearest feature of each latent and the nearest latent of each feature."""
    count = overlap.shape[1]
    top, latent, meets = np.full(count, -np.inf), np.zeros(count, int), np.zeros(count, bool)
    found = []
    for part, cos in blocks(overlap):
        best = cos.argmax(0)
        height = cos[best, np.arange(count)]
        latent = np.where(height > top, part.start + best, latent)  # the first of equals, as argmax
        top = np.maximum(top, height)
        meets |= np.any(cos != 0, axis=0)
        found.append((cos.max(1), cos.argmax(1), np.abs(cos).argmax(1)))
    cosine, feature, feature_abs = map(np.concatenate, zip(*found, strict=True))
    return Nearest(cosine, feature, feature_abs, top, np.where(meets, latent, -1))


@shared
def match_abs(overlap):
    """[P] matching by |C|."""
    return matching.by_abs_cosine(overlap)


@shared
def match_codes(binary_codes):
    """[P] matching by the codes of 1000 binary samples."""
    return matching.by_codes(*binary_codes)


@shared
def match_argmax(nearest):
    """[P] the latent of largest C for each feature, with repetition."""
    return nearest.latent


@shared
def nearest_feature(nearest):
    """[p] the feature of largest |C| of each latent, with repetition."""
    return nearest.feature_abs


@statistic(needs="truth")
def count_together(b):
    """[P] number of rows with z_m(j) > 0 and z*_j > 0, m the signed matching."""
    return _together(b, b.match)


@statistic(needs=("truth", "match_codes"))
def count_together_codes(b):
    """[P] `count_together` of the matching by codes."""
    return _together(b, b.given["match_codes"])


@statistic(needs=("truth", "match_argmax"))
def count_together_argmax(b):
    """[P] `count_together` of the nearest latents."""
    return _together(b, b.given["match_argmax"])


@statistic(needs=("truth", "nearest_feature"))
def count_nearest(b):
    """[p] number of rows with z_i > 0 and z*_j > 0, j the feature of largest |C| of latent i."""
    on = jnp.take_along_axis(b.zt, of_latent(b.active, b.given["nearest_feature"]), axis=1) > 0
    return per_latent(b.active, (b.active.values > 0) & on)


def _together(b, match):
    return ((columns(b.active, match) > 0) & (b.zt > 0)).sum(0)


def pick_matched(table: np.ndarray | Overlap, match: np.ndarray) -> np.ndarray:
    """table[match[j], j] for each feature j, 0 where it has no match."""
    return np.where(match >= 0, table[match, np.arange(len(match))], 0.0)
