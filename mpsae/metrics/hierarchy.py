"""What happens between parents and children, seen in the atoms. Every metric needs truth.

m is the Hungarian matching by signed cosine, L̂ the Gram of the matched unit atoms,
G the true Gram, C the cosines of learned with true atoms. An *edge* is a child c with
its parent p. What the codes do on samples is in `absorption.py`; orders in `order.py`.
"""

from typing import NamedTuple

import numpy as np

from mpsae.bounds import rows_per_block
from mpsae.metrics.base import Matrix, Value, metric, ratio, shared
from mpsae.metrics.recovery import recovered_by
from mpsae.overlap import normalised

DRAWN = 512  # largest P of a heatmap


class Kind(NamedTuple):
    """Sums over the unordered pairs of one kind."""

    pairs: int
    square: float  # Σ (L̂_ij - G_ij)²
    size: float  # Σ |L̂_ij|


@shared
def matched_pairs(atoms, truth, match):
    """{same level, siblings (same level and group), other level}: a Kind of pairs of matched features.

    Made in row blocks: at 16k features the pairs themselves would be 3 GB.
    """
    keep = np.flatnonzero(match >= 0)
    learned, true = normalised(atoms[match[keep]]), normalised(truth.atoms[keep])
    level, group = truth.level[keep], truth.group[keep]
    sums = {kind: np.zeros(3) for kind in ("same", "siblings", "other")}
    for start in range(0, len(keep), step := rows_per_block(len(keep))):
        part = slice(start, start + step)
        gram = learned[part] @ learned.T
        square, size = np.square(gram - true[part] @ true.T), np.abs(gram)
        after = np.arange(len(keep)) > np.arange(len(keep))[part, None]
        same = level[part, None] == level
        siblings = same & (group[part, None] == group) & (group >= 0)
        for kind, pairs in (("same", same), ("siblings", siblings), ("other", ~same)):
            pairs = pairs & after
            sums[kind] += pairs.sum(), square[pairs].sum(), size[pairs].sum()
    return {kind: Kind(int(pairs), square, size) for kind, (pairs, square, size) in sums.items()}


@shared
def found(overlap, match, count_together):
    """[P] features recovered by `match`: matched, C >= .1, and the two ever fire together."""
    return recovered_by(overlap, match, count_together)


@shared
def own_latent(overlap, match, truth, found):
    """[P] children recovered by `match` whose latent has half of its energy or more in the plane of child and parent.

    With cosines c, p of the unit latent and a of the two directions that energy is (c² + p² - 2acp) / (1 - a²).
    """
    edges = np.flatnonzero((truth.parent >= 0) & found)
    above, latent = truth.parent[edges], match[edges]
    child, parent = overlap[latent, edges], overlap[latent, above]
    between = (normalised(truth.atoms[edges]) * normalised(truth.atoms[above])).sum(1)
    energy = (child**2 + parent**2 - 2 * between * child * parent) / np.maximum(1 - between**2, 1e-12)
    own = np.zeros(len(match), bool)
    own[edges] = energy >= 0.5
    return own


@metric
def flat_mse(matched_pairs):
    """Mean over i != j of the same level of (L̂_ij - G_ij)²; >= 0, dimensionless; MP-SAE Fig. 4."""
    return mean_square(matched_pairs["same"])


@metric
def flat_mse_siblings(matched_pairs):
    """`flat_mse` over siblings only (same level and same group); >= 0, dimensionless."""
    return mean_square(matched_pairs["siblings"])


@metric
def hier_mse(matched_pairs):
    """Mean over pairs of different level of (L̂_ij - G_ij)²; >= 0, dimensionless; MP-SAE Fig. 4."""
    return mean_square(matched_pairs["other"])


@metric
def cond_orth(matched_pairs):
    """Mean |L̂| over cross-level pairs / mean over same-level pairs; >= 0, 0 = conditionally orthogonal."""
    same, other = matched_pairs["same"], matched_pairs["other"]
    if not same.pairs or not other.pairs or same.size / same.pairs < 1e-12:
        return Value(None, note="no cross-level pairs, or same-level atoms are orthogonal")
    return Value(float(other.size / other.pairs / (same.size / same.pairs)), same.pairs + other.pairs)


@metric
def gram(atoms, match):
    """L̂, cosines between matched atoms in feature order, 0 where unmatched; an array [P, P]."""
    if len(match) > DRAWN:
        return Value(None, note=f"no heatmap above {DRAWN} features")
    learned = np.where(match[:, None] >= 0, normalised(atoms)[match], 0.0)
    return Matrix(learned @ learned.T)


@metric
def cross_gram(overlap, match):
    """Cosines of matched atoms (rows) with true atoms (columns) in feature order; an array [P, P]."""
    return heatmap(overlap, match)


@metric
def cross_gram_codes(overlap, match_codes):
    """`cross_gram` with the atoms matched by codes, as in MP-SAE Fig. 4A; an array [P, P]."""
    return heatmap(overlap, match_codes)


@metric
def absorb_cos(overlap, match, truth, count_together):
    """Mean over edges of C[m(c), p], signed, matched by cosine; [-1, 1]; Table 1 of MP-SAE.

    Pooled, and per level of the child. A child that is not recovered (matched C < .1, or
    never active together with its latent) is left out and counted in the note.
    """
    return parent_cosine(overlap, match, truth, recovered_by(overlap, match, count_together))


@metric
def absorb_cos_codes(overlap, match_codes, truth, count_together_codes):
    """`absorb_cos` with the matching by codes; [-1, 1], dimensionless."""
    found = recovered_by(overlap, match_codes, count_together_codes)
    return parent_cosine(overlap, match_codes, truth, found)


@metric
def absorb_cos_argmax(overlap, match_argmax, truth, count_together_argmax):
    """`absorb_cos` with each feature matched to its latent of largest C; [-1, 1], dimensionless."""
    found = recovered_by(overlap, match_argmax, count_together_argmax)
    return parent_cosine(overlap, match_argmax, truth, found)


@metric
def absorb_cos_excess(overlap, match, truth, found):
    """Mean over edges of C[m(c), p] - cos(d_c, d_p): absorption beyond the true overlap; [-2, 2]."""
    true = (normalised(truth.atoms) * normalised(truth.atoms[truth.parent])).sum(1)
    return parent_cosine(overlap, match, truth, found, minus=true)


@metric
def absorb_cos_own(overlap, match, truth, own_latent):
    """`absorb_cos_excess` of the children with a latent of their own; [-2, 2]; ours.

    These are the recovered children whose latent has half of its energy or more in the plane of child and
    parent. Without this rule directions that have nothing to do with either count as free of absorption:
    a random dictionary of 320 atoms has an `absorb_cos_excess` near 0. Read it beside `children_own`.
    """
    true = (normalised(truth.atoms) * normalised(truth.atoms[truth.parent])).sum(1)
    return parent_cosine(overlap, match, truth, own_latent, minus=true)


@metric
def children_own(truth, own_latent):
    """Share of the children that have a latent of their own, as `absorb_cos_own` counts them; [0, 1]; ours."""
    return by_level(truth, truth.parent >= 0, lambda c: own_latent[c].mean())


@metric
def split_count(nearest):
    """Latents whose argmax_j C is the feature with C >= t; mean over features with any; >= 1, a count.

    At t = .5 and .8.
    """
    rows = []
    for t in (0.5, 0.8):
        counts = np.bincount(nearest.feature[nearest.cosine >= t])
        used = counts[counts > 0]
        mean = float(used.mean()) if len(used) else None
        rows.append(Value(mean, len(used), {"t": t}, None if len(used) else "no latent that near"))
    return rows


@metric
def hedging(overlap, match, truth, found):
    """Mean over unrecovered children of a recovered parent of C[m(p), c] - cos(d_p, d_c); [-2, 2].

    Above 0 the child is mixed into the parent's latent (arXiv 2505.11756, inferred). It is 0
    with a note where no child is lost; null where a child is lost with its parent.
    """
    lost = (truth.parent >= 0) & ~found
    usable = np.flatnonzero(lost & found[truth.parent])
    if not len(usable):
        return (
            Value(None, 0, note="lost with their parents") if lost.any() else Value(0.0, 0, note="none lost")
        )
    parent = truth.parent[usable]
    true = (normalised(truth.atoms[usable]) * normalised(truth.atoms[parent])).sum(1)
    return Value(float((overlap[match[parent], usable] - true).mean()), len(usable))


def parent_cosine(overlap, match, truth, recovered, *, minus=0.0):
    """Mean over edges with a recovered child of C[m(c), p] - minus[c], pooled and per level."""
    edges = np.flatnonzero(truth.parent >= 0)
    value = np.zeros(len(match))
    value[edges] = overlap[match[edges], truth.parent[edges]]
    value = value - minus
    return by_level(truth, truth.parent >= 0, lambda c: value[c].mean(), counted=recovered)


def by_level(truth, keep, formula, *, counted=None, note="never on"):
    """formula(children) pooled over the children kept, then per level of the child.

    `counted` marks those that take part; the others are reported in the note.
    """
    counted = np.ones(len(keep), bool) if counted is None else counted
    edges = np.flatnonzero(keep)
    if not len(edges):
        return Value(None, 0, note="no parent-child pairs")
    parts = [({}, edges)]
    parts += [({"level": int(l)}, edges[truth.level[edges] == l]) for l in np.unique(truth.level[edges])]
    rows = []
    for at, children in parts:
        used = children[counted[children]]
        value = formula(used) if len(used) else None
        lost = len(children) - len(used)
        why = f"{lost} of {len(children)} children not recovered" if lost else None
        if value is None:
            why = why or note
        rows.append(Value(None if value is None else float(value), len(used), at, why))
    return rows


def mean_square(kind: Kind) -> Value:
    """Mean of squared errors with its count; null if there are no such pairs."""
    return ratio(kind.square, kind.pairs, count=kind.pairs, note="no such pairs")


def heatmap(overlap, match):
    """Rows of C in feature order, or null when too large to draw."""
    if len(match) > DRAWN:
        return Value(None, note=f"no heatmap above {DRAWN} features")
    return Matrix(np.where(match[:, None] >= 0, overlap[match], 0.0))
