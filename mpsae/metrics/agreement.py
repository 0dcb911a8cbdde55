"""Do an image and its text use the same latents, and have the same neighbours?

On the pool. Each metric has a null of the same name, `..._null`: the same number with every image given
the text of another pair, by one fixed derangement. One pair has no other: its nulls are null.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from mpsae.metrics.base import Value, metric, ratio, shared
from mpsae.metrics.retrieval import EQUAL, cosines, representations

NEIGHBOURS = 10
ALONE = Value(None, 1, note="one pair has no other pair's text")


class Kernel(NamedTuple):
    """Cosines of the rows of one modality with each other, and who is near whom."""

    cosine: Float[np.ndarray, "N N"]
    near: Bool[np.ndarray, "N N"]

    def reordered(self, order: Int[np.ndarray, " N"]) -> "Kernel":
        """The kernel of the same rows in another order."""
        return Kernel(*(table[np.ix_(order, order)] for table in self))


@shared
def kernels(pool, pool_codes):
    """{x, xhat, code: the Kernel of images, of texts}, None where not finite or fewer than 12 pairs."""
    return {
        name: tuple(kernel(cosines(rows, rows)) for rows in both)
        for name, both in representations(pool, pool_codes).items()
    }


@shared
def deranged(pool):
    """[N] the text given to each image in the nulls: never its own."""
    return derangement(len(pool.image.x))


@metric
def jaccard_pairs(pool_codes):
    """Mean over pairs of |S_I ∩ S_T| / |S_I ∪ S_T|, S the active latents; [0, 1], 1 = the same set.

    Pairs without any active latent are left out.
    """
    return jaccard(pool_codes.image, pool_codes.text)


@metric
def jaccard_pairs_null(pool_codes, deranged):
    """`jaccard_pairs` of images with the texts of other pairs; [0, 1]."""
    return ALONE if len(deranged) < 2 else jaccard(pool_codes.image, pool_codes.text[deranged])


@metric
def top1_agree(pool_codes):
    """Share of pairs whose latent of largest |z| ‖d‖ is the same; [0, 1]; pairs of empty codes left out.

    Where several are largest, all of them have to be the same; a code without entries agrees with none.
    """
    return same_top(pool_codes.image, pool_codes.text)


@metric
def top1_agree_null(pool_codes, deranged):
    """`top1_agree` of images with the texts of other pairs; [0, 1]."""
    return ALONE if len(deranged) < 2 else same_top(pool_codes.image, pool_codes.text[deranged])


@metric
def cknna(kernels):
    """Centred kernel alignment on mutual neighbours, 10 of each row, at of = x, xhat, code; (-1, 1].

    Kernels are cosines among images and among texts, without the diagonal, kept where both rank a row
    among the neighbours of the other, and compared by unbiased HSIC: s(K, L)/√(s(K, K) s(L, L)).
    1 for identical rows. Rows as near as the tenth neighbour are neighbours. Platonic Representation.
    """
    return [
        dataclasses.replace(alignment(image, text), at={"of": name})
        for name, (image, text) in kernels.items()
    ]


@metric
def cknna_null(kernels, deranged):
    """`cknna` of images with the texts of other pairs, at of = x, xhat, code; near 0."""
    return [
        dataclasses.replace(alignment(image, text and text.reordered(deranged)), at={"of": name})
        for name, (image, text) in kernels.items()
    ]


def jaccard(image, text) -> Value:
    """Mean over rows of the Jaccard index of two sparse codes' supports."""
    one, other = image != 0, text != 0
    both = one.multiply(other).sum(1)
    either = one.sum(1) + other.sum(1) - both
    some = either > 0
    return ratio(
        np.sum(both[some] / either[some]), some.sum(), count=int(some.sum()), note="no code is active"
    )


def same_top(image, text) -> Value:
    """Share of rows whose sets of largest entries are equal."""
    tops = [_top(codes) for codes in (image, text)]
    some = (tops[0].sum(1) > 0) | (tops[1].sum(1) > 0)
    differ = (tops[0] != tops[1]).sum(1)
    return ratio((differ[some] == 0).sum(), some.sum(), count=int(some.sum()), note="no code is active")


def kernel(cosine: Float[np.ndarray, "N N"]) -> Kernel | None:
    """Near is no further from the row than its tenth neighbour, the row itself left out."""
    if len(cosine) < NEIGHBOURS + 2 or not np.isfinite(cosine).all():
        return None
    others = cosine.copy()
    np.fill_diagonal(others, -np.inf)
    tenth = np.partition(others, -NEIGHBOURS, axis=1)[:, [-NEIGHBOURS]]
    return Kernel(cosine, others >= tenth - EQUAL)


def alignment(one: Kernel | None, other: Kernel | None) -> Value:
    """CKNNA of two kernels."""
    if one is None or other is None:
        return Value(None, note=f"not finite, or fewer than {NEIGHBOURS + 2} pairs")
    own = [hsic(part, part) for part in (k.cosine * k.near for k in (one, other))]
    if min(own) <= 0:
        return Value(None, len(one.cosine), note="a kernel without structure")
    mutual = one.near & other.near
    shared_part = hsic(one.cosine * mutual, other.cosine * mutual)
    return Value(float(shared_part / np.sqrt(own[0] * own[1])), len(one.cosine))


def hsic(one: Float[np.ndarray, "N N"], other: Float[np.ndarray, "N N"]) -> float:
    """The unbiased Hilbert-Schmidt independence criterion of kernels with an empty diagonal (Song, 2012)."""
    n = len(one)
    trace = (one * other.T).sum()
    # 1ᵀ(KL)1 by the column sums of K and the row sums of L: no product of matrices.
    across = one.sum(0) @ other.sum(1)
    return (trace + one.sum() * other.sum() / ((n - 1) * (n - 2)) - 2 * across / (n - 2)) / (n * (n - 3))


def derangement(count: int) -> Int[np.ndarray, " count"]:
    """A fixed permutation without fixed point (one random cycle) of two or more, the same for every score."""
    order = np.random.default_rng(0).permutation(count)
    other = np.empty(count, int)
    other[order] = np.roll(order, 1)
    return other


def _top(codes):
    size = abs(codes)
    largest = size.max(axis=1).toarray().ravel()
    rows = np.repeat(np.arange(size.shape[0]), np.diff(size.indptr))
    top = size.copy()
    top.data = ((size.data == largest[rows]) & (size.data > 0)).astype(float)
    top.eliminate_zeros()
    return top
