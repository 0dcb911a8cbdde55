"""Are the true features found? Every metric here needs truth.

C = D̂ D*ᵀ is the p x P matrix of cosines (zero atoms: 0). A Hungarian matching has
min(p, P) pairs; a pair with a zero atom is no pair and counts 0 in their mean.
How latents and features are paired is in `pairing.py`.
"""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import Value, metric, ratio, shared, statistic
from mpsae.metrics.pairing import pick_matched
from mpsae.tally import per_latent

UNRECOVERED = 0.1  # a matched cosine below this is no recovery
BINS = 129  # of the coefficient in units of its mean: <= 0, 127 steps of 1/32, above


@statistic
def count_positive(b):
    """[p] number of rows with z_i > 0."""
    return per_latent(b.active, b.active.values > 0)


@statistic(needs="truth")
def count_true(b):
    """[P] number of rows with z*_j > 0."""
    return (b.zt > 0).sum(0)


@statistic(needs="truth")
def count_hits(b):
    """[P] number of rows with the matched latent active and z*_j > 0."""
    return ((b.matched != 0) & (b.zt > 0)).sum(0)


@statistic(needs="truth")
def sum_coefficients(b):
    """[3, P] Σ(ẑ - z*)², Σ ẑ z*, Σ z*² over rows; ẑ is the matched code on a unit atom."""
    z = b.matched
    return jnp.stack([jnp.square(z - b.zt).sum(0), (z * b.zt).sum(0), jnp.square(b.zt).sum(0)])


@statistic(needs="truth")
def count_by_threshold(b):
    """[2, P, BINS] rows with the feature off, on, by the size of the matched code."""
    mean = jnp.where(b.world.mean > 0, b.world.mean, 1.0)
    step = jnp.clip(jnp.ceil(b.matched / mean * 32), 0, BINS - 1).astype(jnp.int32)
    on = (b.zt > 0).astype(jnp.int32)
    features = jnp.broadcast_to(jnp.arange(b.zt.shape[1]), on.shape)
    return jnp.zeros((2, b.zt.shape[1], BINS)).at[on, features, step].add(1.0)


@shared
def matched_cosine(overlap, match):
    """[P] C of each feature with its matched latent, 0 where it has none."""
    return pick_matched(overlap, match)


@shared
def f1_matched(count_together, count_positive, count_true, match):
    """[P] F1 of the matched latent as a detector (z > 0) of each feature, 0 where undefined."""
    fired = np.where(match >= 0, count_positive[match], 0.0)
    return safe(2 * count_together, fired + count_true)


@shared
def argmax_counts(count_nearest, count_positive, count_true, nearest_feature):
    """([p], [p], [p]) hits, firings, and occurrences of the feature of largest |C| of each latent."""
    return count_nearest, count_positive, count_true[nearest_feature]


@metric
def mcc(overlap, match_abs):
    """Mean over matched pairs of |C|, Hungarian on 1 - |C|; [0, 1], dimensionless.

    SAELens' convention. It ignores the sign, and below width P it is a mean over the easiest features: read
    `mcc_all` too.
    """
    pairs = min(overlap.shape)
    return Value(float(np.abs(pick_matched(overlap, match_abs)).sum() / pairs), pairs)


@metric
def mcc_signed(matched_cosine, overlap):
    """Mean over matched pairs of C, Hungarian maximising C; [-1, 1], dimensionless."""
    pairs = min(overlap.shape)
    return Value(float(matched_cosine.sum() / pairs), pairs)


@metric
def mcc_all(matched_cosine):
    """Sum of max(C, 0) over matched pairs divided by P; [0, 1]; unmatched truth counts 0."""
    return Value(float(np.maximum(matched_cosine, 0).mean()), len(matched_cosine))


@metric
def match_cos_codes(overlap, match_codes):
    """Mean of C over the min(p, P) pairs matched by codes; [-1, 1]; MP-SAE's alignment.

    Codes of 1000 binary samples, each divided by its maximum, maximal sum of products.
    """
    pairs = min(overlap.shape)
    return Value(float(pick_matched(overlap, match_codes).sum() / pairs), pairs)


@metric
def mmcs(nearest):
    """Mean over true features of max_i C_ij; [-1, 1], dimensionless."""
    return Value(float(nearest.cosine_true.mean()), len(nearest.cosine_true))


@metric
def mmcs_rev(nearest):
    """Mean over latents of max_j C_ij; [-1, 1], dimensionless."""
    return Value(float(nearest.cosine.mean()), len(nearest.cosine))


@metric
def recovered(matched_cosine):
    """Share of true features with matched C >= t; [0, 1], at t = .9, .95, .99."""
    return [
        Value(float((matched_cosine >= t - 1e-9).mean()), len(matched_cosine), {"t": t})
        for t in (0.9, 0.95, 0.99)
    ]


@metric
def uniqueness(nearest_feature, atoms):
    """Distinct argmax_j |C_ij| over latents, divided by p; (0, 1]; SAELens. Zero atoms add none."""
    alive = np.any(atoms != 0, axis=1)
    return Value(len(np.unique(nearest_feature[alive])) / len(alive), len(alive))


@metric
def uniqueness_alive(nearest_feature, count_active, atoms):
    """Distinct argmax_j |C_ij| over alive latents, divided by their number; (0, 1]."""
    alive = np.any(atoms != 0, axis=1) & (count_active > 0)
    different = len(np.unique(nearest_feature[alive]))
    return ratio(different, alive.sum(), count=int(alive.sum()), note="every latent is dead")


@metric
def f1_argmax(argmax_counts):
    """Mean over all latents of the F1 of z > 0 for the feature of largest |C|; [0, 1]; SAELens.

    0 where undefined. Does not punish duplicates.
    """
    hits, fired, on = argmax_counts
    return Value(float(safe(2 * hits, fired + on).mean()), len(hits))


@metric
def precision_argmax(argmax_counts):
    """Mean over all latents of hits / firings for the feature of largest |C|; [0, 1]; SAELens."""
    hits, fired, _ = argmax_counts
    return Value(float(safe(hits, fired).mean()), len(hits))


@metric
def recall_argmax(argmax_counts):
    """Mean over all latents of hits / occurrences of the feature of largest |C|; [0, 1]; SAELens."""
    hits, _, on = argmax_counts
    return Value(float(safe(hits, on).mean()), len(hits))


@metric
def f1_hungarian(f1_matched, overlap):
    """Sum of the F1 of matched pairs divided by min(p, P); [0, 1]; punishes duplicates."""
    pairs = min(overlap.shape)
    return Value(float(f1_matched.sum() / pairs), pairs)


@metric
def f1_truth(f1_matched):
    """Mean over true features of the F1 of the matched latent, 0 without one; [0, 1]."""
    return Value(float(f1_matched.mean()), len(f1_matched))


@metric
def f1_best_threshold(count_by_threshold, overlap):
    """As `f1_hungarian`, each pair at its best threshold on the code; [0, 1]: isolates calibration.

    Thresholds are 0 and multiples of 1/32 of the feature's mean, up to 4 times it.
    """
    off, on = count_by_threshold
    hits, fired = tail(on), tail(on + off)  # strictly above bin 0, 1, ...
    best = safe(2 * hits, fired + on.sum(1, keepdims=True)).max(1)
    pairs = min(overlap.shape)
    return Value(float(best.sum() / pairs), pairs)


@metric
def auroc(count_by_threshold, match):
    """Mean over matched features of P(code on a row with it > code on a row without), ties ½; [0, 1].

    From the histogram of `f1_best_threshold`; features always or never on are left out.
    """
    off, on = count_by_threshold
    below = np.cumsum(off, axis=1) - off
    area = (on * (below + off / 2)).sum(1)
    pairs = on.sum(1) * off.sum(1)
    keep = (match >= 0) & (pairs > 0)
    return ratio(
        (area[keep] / pairs[keep]).sum(), keep.sum(), count=int(keep.sum()), note="no usable feature"
    )


@metric
def support_precision(count_hits, count_active):
    """Σ|Ŝ ∩ S| / Σ|Ŝ| after the signed matching, unmatched active latents are false; [0, 1].

    0 where no latent ever fires.
    """
    return float(safe(count_hits.sum(), count_active.sum()))


@metric
def support_recall(count_hits, count_true):
    """Σ|Ŝ ∩ S| / Σ|S| after the signed matching; [0, 1], dimensionless; 0 where S is empty."""
    return float(safe(count_hits.sum(), count_true.sum()))


@metric
def coef_nmse(sum_coefficients, match):
    """Σ(ẑ - z*)² / Σ z*² over matched features, ẑ rescaled by the atom norm; >= 0."""
    keep = match >= 0
    return ratio(
        sum_coefficients[0, keep].sum(),
        sum_coefficients[2, keep].sum(),
        count=int(keep.sum()),
        note="no match",
    )


@metric
def coef_slope(sum_coefficients, match):
    """Σ ẑ z* / Σ z*² over matched features; (-inf, inf), below 1 = shrunken; dimensionless."""
    keep = match >= 0
    return ratio(
        sum_coefficients[1, keep].sum(),
        sum_coefficients[2, keep].sum(),
        count=int(keep.sum()),
        note="no match",
    )


@metric
def l0_gap(count_l0, n, truth):
    """l0 minus the exact true L0 of the world; a count, 0 = as sparse as the truth."""
    return float(count_l0 @ np.arange(len(count_l0)) / n - float(truth.true_l0))


@metric(name="random_floor")
def floor_of_this_world(truth):
    """Median |cos| of one feature's best atom among P random ones: √BetaInv(.5^(1/P); ½, (dim-1)/2).

    [0, 1]; printed next to every recovery score.
    """
    features, dim = truth.atoms.shape
    return Value(random_floor(dim, features), features)


def recovered_by(overlap, match, together):
    """[P] bool: matched with C >= .1 and active `together` with the latent at least once."""
    return (pick_matched(overlap, match) >= UNRECOVERED) & (together > 0)


def random_floor(dim: int, count: int) -> float:
    """Median of the maximal |cos| between a fixed direction and `count` random ones in `dim` dimensions."""
    from scipy.special import betaincinv

    return 1.0 if dim == 1 else float(np.sqrt(betaincinv(0.5, (dim - 1) / 2, 0.5 ** (1 / count))))


def safe(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, and 0 where below is 0: the published convention of F1, precision, recall."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)


def tail(counts: np.ndarray) -> np.ndarray:
    """Number of entries strictly above each bin, along the last axis."""
    return counts.sum(-1, keepdims=True) - np.cumsum(counts, axis=-1)
