"""What happens between parents and children, seen in the atoms. Every metric needs truth.

m is the Hungarian matching by signed cosine, L̂ the Gram of the matched unit atoms,
G the true Gram, C the cosines of learned with true atoms. An *edge* is a child c with
its parent p. What the codes do on samples is in `absorption.py`; orders in `order.py`.
"""

import numpy as np

from mpsae.metrics.base import Matrix, Value, metric, normalised, ratio, shared
from mpsae.metrics.recovery import pick_matched

UNRECOVERED = 0.1  # a matched cosine below this is no recovery
DRAWN = 512  # largest P of a heatmap


@shared
def matched_pairs(atoms, truth, match):
    """(error, |L̂|, levels equal, groups equal) over unordered pairs of matched features."""
    keep = np.flatnonzero(match >= 0)
    learned, true = normalised(atoms[match[keep]]), normalised(truth.atoms[keep])
    rows, columns = np.triu_indices(len(keep), 1)
    gram = learned @ learned.T
    level, group = truth.level[keep], truth.group[keep]
    return (
        (gram - true @ true.T)[rows, columns],
        np.abs(gram)[rows, columns],
        level[rows] == level[columns],
        (group[rows] == group[columns]) & (group[rows] >= 0),
    )


@shared
def found(cosines, match, count_coactive):
    """[P] features recovered by `match`: matched, C >= .1, and the two ever fire together."""
    return recovered_by(cosines, match, count_coactive)


@metric
def flat_mse(matched_pairs):
    """Mean over i != j of the same level of (L̂_ij - G_ij)²; >= 0, dimensionless; MP-SAE Fig. 4."""
    error, _, same, _ = matched_pairs
    return mean_square(error[same])


@metric
def flat_mse_siblings(matched_pairs):
    """`flat_mse` over siblings only (same level and same group); >= 0, dimensionless."""
    error, _, same, siblings = matched_pairs
    return mean_square(error[same & siblings])


@metric
def hier_mse(matched_pairs):
    """Mean over pairs of different level of (L̂_ij - G_ij)²; >= 0, dimensionless; MP-SAE Fig. 4."""
    error, _, same, _ = matched_pairs
    return mean_square(error[~same])


@metric
def cond_orth(matched_pairs):
    """Mean |L̂| over cross-level pairs / mean over same-level pairs; >= 0, 0 = conditionally orthogonal."""
    _, size, same, _ = matched_pairs
    if same.all() or not same.any() or size[same].mean() < 1e-12:
        return Value(None, note="no cross-level pairs, or same-level atoms are orthogonal")
    return Value(float(size[~same].mean() / size[same].mean()), len(size))


@metric
def gram(atoms, match):
    """L̂, cosines between matched atoms in feature order, 0 where unmatched; an array [P, P]."""
    if len(match) > DRAWN:
        return Value(None, note=f"no heatmap above {DRAWN} features")
    learned = np.where(match[:, None] >= 0, normalised(atoms)[match], 0.0)
    return Matrix(learned @ learned.T)


@metric
def cross_gram(cosines, match):
    """Cosines of matched atoms (rows) with true atoms (columns) in feature order; an array [P, P]."""
    return heatmap(cosines, match)


@metric
def cross_gram_codes(cosines, match_codes):
    """`cross_gram` with the atoms matched by codes, as in MP-SAE Fig. 4A; an array [P, P]."""
    return heatmap(cosines, match_codes)


@metric
def absorb_cos(cosines, match, truth, count_coactive):
    """Mean over edges of C[m(c), p], signed, matched by cosine; [-1, 1]; Table 1 of MP-SAE.

    Pooled, and per level of the child. A child that is not recovered (matched C < .1, or
    never active together with its latent) is left out and counted in the note.
    """
    return parent_cosine(cosines, match, truth, recovered_by(cosines, match, count_coactive))


@metric
def absorb_cos_codes(cosines, match_codes, truth, count_coactive):
    """`absorb_cos` with the matching by codes; [-1, 1], dimensionless."""
    return parent_cosine(cosines, match_codes, truth, recovered_by(cosines, match_codes, count_coactive))


@metric
def absorb_cos_argmax(cosines, match_argmax, truth, count_coactive):
    """`absorb_cos` with each feature matched to its latent of largest C; [-1, 1], dimensionless."""
    return parent_cosine(cosines, match_argmax, truth, recovered_by(cosines, match_argmax, count_coactive))


@metric
def absorb_cos_excess(cosines, match, truth, found):
    """Mean over edges of C[m(c), p] - cos(d_c, d_p): absorption beyond the true overlap; [-2, 2]."""
    true = (normalised(truth.atoms) * normalised(truth.atoms[truth.parent])).sum(1)
    return parent_cosine(cosines, match, truth, found, minus=true)


@metric
def split_count(cosines):
    """Latents whose argmax_j C is the feature with C >= t; mean over features with any; >= 1, a count.

    At t = .5 and .8.
    """
    best, height = cosines.argmax(1), cosines.max(1)
    rows = []
    for t in (0.5, 0.8):
        counts = np.bincount(best[height >= t])
        used = counts[counts > 0]
        mean = float(used.mean()) if len(used) else None
        rows.append(Value(mean, len(used), {"t": t}, None if len(used) else "no latent that near"))
    return rows


@metric
def hedging(cosines, match, truth, found):
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
    return Value(float((cosines[match[parent], usable] - true).mean()), len(usable))


def recovered_by(cosines, match, count_coactive):
    """[P] bool: matched with C >= .1 and active together with the latent at least once."""
    return (pick_matched(cosines, match) >= UNRECOVERED) & (pick_matched(count_coactive, match) > 0)


def parent_cosine(cosines, match, truth, recovered, *, minus=0.0):
    """Mean over edges with a recovered child of C[m(c), p] - minus[c], pooled and per level."""
    edges = np.flatnonzero(truth.parent >= 0)
    value = np.zeros(len(match))
    value[edges] = cosines[match[edges], truth.parent[edges]]
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


def mean_square(errors):
    """Mean of squares with its count; null if there are none."""
    return ratio(np.square(errors).sum(), len(errors), count=len(errors), note="no such pairs")


def heatmap(cosines, match):
    """Rows of C in feature order, or null when too large to draw."""
    if len(match) > DRAWN:
        return Value(None, note=f"no heatmap above {DRAWN} features")
    return Matrix(np.where(match[:, None] >= 0, cosines[match], 0.0))
