"""Are the rows that a latent fires on close to each other? Monosemanticity in an embedding. Needs pairs.

s_ij = cosine of the embeddings of rows i and j (0 for a zero row), a = a latent's codes min-max
scaled to [0, 1] over the rows. Sums over pairs are sums over rows: Σ a_i a_j s_ij = (Σ a_i x_i)·(Σ a_j x_j).
The embedding is x itself, the one the SAE was given (in the source it is another encoder's,
arXiv 2504.02821), or the known labels, which no encoder has seen.
"""

import numpy as np

from mpsae.metrics.base import Value, metric, shared
from mpsae.metrics.labelled import SIDES
from mpsae.overlap import normalised

UNDEFINED = "every latent is constant or fires on one row"


@shared
def label_rows(factors):
    """[N, classes of all factors] one-hot labels side by side, 0 where unknown: cosine = share that agrees."""
    columns = [factor.label[:, None] == np.arange(factor.classes) for factor in factors]
    return normalised(np.concatenate(columns, axis=1))


@metric
def ms(pool):
    """Mean over latents of Σ_{i<j} a_i a_j s_ij / Σ_{i<j} a_i a_j, s from x; [-1, 1], at side. Pach et al.

    Read it against `ms_floor`. Constant latents and those of one row are left out; `count` is the rest.
    """
    return [_ms(getattr(pool, side), normalised(getattr(pool, side).x), side) for side in SIDES]


@metric
def ms_labels(pool, label_rows):
    """`ms` with s the cosine of the rows' one-hot labels over all factors; [0, 1], at side."""
    return [_ms(getattr(pool, side), label_rows, side) for side in SIDES]


@metric
def ms_floor(pool):
    """Mean cosine of two rows, which is `ms` of codes that say nothing; [-1, 1], at side."""
    return [Value(_all_pairs(normalised(getattr(pool, side).x)), at={"side": side}) for side in SIDES]


@metric
def ms_labels_floor(label_rows):
    """Mean cosine of the labels of two pairs: `ms_labels` of codes that say nothing; [0, 1]."""
    return Value(_all_pairs(label_rows))


@metric
def mms(pool):
    """Mean over latents of Σ_ij a_i b_j s_ij / (Σ a Σ b), a of images, b of texts, s from x; [-1, 1].

    Our definition. Latents that are constant on one side are left out; `count` is the rest.
    """
    (a, ax, _), (b, bx, _) = (
        _sums(getattr(pool, side).z, normalised(getattr(pool, side).x)) for side in SIDES
    )
    return _mean((ax * bx).sum(1) / (a * b), {})


def scores(codes, embedded):
    """[p] MS of each latent, NaN where undefined; codes scipy.sparse [n, p], rows of norm 1 or 0 [n, dim]."""
    total, vectors, own = _sums(codes, embedded)
    squares = own[0]
    pairs = np.square(total) - squares
    # Below rounding error there is no pair.
    return (np.square(vectors).sum(1) - own[1]) / np.where(pairs > 1e-9 * squares, pairs, np.nan)


def _sums(codes, embedded):
    """(Σ a [p], Σ a x [p, dim], (Σ a², Σ a² ‖x‖²)) with NaN for a constant latent."""
    codes = codes.tocsc()
    low, high = (np.asarray(end(axis=0).todense()).ravel() for end in (codes.min, codes.max))
    span = np.where(high > low, high - low, np.nan)
    lengths = np.square(embedded).sum(1)
    squared, count = codes.multiply(codes), len(embedded)

    def scaled(linear, quadratic, ones):
        return (quadratic - 2 * low * linear + low**2 * ones) / span**2

    plain = np.asarray(codes.sum(0)).ravel()
    total = (plain - low * count) / span
    vectors = (codes.T @ embedded - low[:, None] * embedded.sum(0)) / span[:, None]
    squares = scaled(plain, np.asarray(squared.sum(0)).ravel(), count)
    weighted = scaled(codes.T @ lengths, squared.T @ lengths, lengths.sum())
    return total, vectors, (squares, weighted)


def _all_pairs(embedded):
    count, squares = len(embedded), np.square(embedded).sum()
    return None if count < 2 else float((np.square(embedded.sum(0)).sum() - squares) / (count * (count - 1)))


def _ms(rows, embedded, side):
    return _mean(scores(rows.z, embedded), {"side": side})


def _mean(values, at):
    values = values[np.isfinite(values)]
    if not len(values):
        return Value(None, 0, at, UNDEFINED)
    return Value(float(values.mean()), len(values), at)
