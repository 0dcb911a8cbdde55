"""How much of x the reconstruction explains, in every convention that is in use.

e = x - x̂, SSE = Σ‖e‖², µ = mean of x per dimension, SST = Σ‖x - µ‖². All sums
run over the whole held-out set. "Rows" of a mean leave out ‖x‖ < 1e-6.
"""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import Value, metric, ratio, shared, statistic

TINY = 1e-6


@statistic
def sum_square_error_dim(b):
    """[dim] Σ_n e_d²."""
    return jnp.square(b.residual).sum(0)


@statistic
def sum_error_dim(b):
    """[dim] Σ_n e_d."""
    return b.residual.sum(0)


@statistic
def sum_deviation_dim(b):
    """[dim] Σ_n (x_d - center_d)."""
    return (b.x - b.center).sum(0)


@statistic
def sum_square_deviation_dim(b):
    """[dim] Σ_n (x_d - center_d)²; about a fixed point near the mean, so nothing cancels."""
    return jnp.square(b.x - b.center).sum(0)


@statistic
def sum_row_ratios(b):
    """[5] over rows with ‖x‖ >= 1e-6: their number, Σ‖e‖²/‖x‖², Σ‖e‖/‖x‖, Σ‖x̂‖/‖x‖, Σcos(x, x̂)."""
    x, xhat, e = (jnp.linalg.norm(rows, axis=1) for rows in (b.x, b.xhat, b.residual))
    keep = x >= TINY
    safe = jnp.where(keep, x, 1.0)
    cos = (b.x * b.xhat).sum(1) / (safe * jnp.where(xhat > 0, xhat, 1.0))
    parts = jnp.stack([jnp.ones_like(x), jnp.square(e / safe), e / safe, xhat / safe, cos])
    return jnp.where(keep, parts, 0.0).sum(1)


@shared
def mean_dim(sum_deviation_dim, center, n):
    """[dim] µ, the mean of x."""
    return center + sum_deviation_dim / n


@shared
def sst_dim(sum_square_deviation_dim, sum_deviation_dim, n):
    """[dim] Σ_n (x_d - µ_d)²; exactly 0 where float32 cannot tell it from 0."""
    sst = sum_square_deviation_dim - sum_deviation_dim**2 / n
    return np.where(sst > 1e-7 * sum_square_deviation_dim, sst, 0.0)


@metric
def fvu(sum_square_error_dim, sst_dim):
    """SSE / SST, the fraction of variance unexplained; >= 0, dimensionless; sparsify, saev."""
    return ratio(sum_square_error_dim.sum(), sst_dim.sum(), note="x is constant")


@metric
def ev(sum_square_error_dim, sst_dim):
    """1 - SSE / SST about the mean per dimension, pooled; (-inf, 1]; SAELens >= 6.45.1, our headline."""
    return one_minus(sum_square_error_dim.sum(), sst_dim.sum())


@metric
def ev_dim_mean(sum_square_error_dim, sst_dim):
    """Mean over dimensions of 1 - SSE_d / SST_d, constant ones left out; (-inf, 1], dimensionless."""
    keep = sst_dim > 0
    if not keep.any():
        return Value(None, 0, note="x is constant")
    share = 1 - sum_square_error_dim[keep] / sst_dim[keep]
    return Value(float(share.mean()), int(keep.sum()))


@metric
def ev_residual_var(sum_square_error_dim, sum_error_dim, sst_dim, n):
    """1 - Σ_d Var(e_d) / Σ_d Var(x_d): forgives a constant bias; (-inf, 1]; dictionary_learning."""
    return one_minus((sum_square_error_dim - sum_error_dim**2 / n).sum(), sst_dim.sum())


@metric
def r2_scalar(sum_square_error_dim, sst_dim, mean_dim, n):
    """1 - SSE / Σ(x - mean of all entries)²; (-inf, 1]; overcomplete, MP-SAE, IsoEnergy.

    A constant predictor scores above 0 as soon as the mean differs between dimensions.
    """
    total = sst_dim.sum() + n * np.square(mean_dim - mean_dim.mean()).sum()
    return one_minus(sum_square_error_dim.sum(), total)


@metric
def ev_uncentred(sum_square_error_dim, sst_dim, mean_dim, n):
    """1 - SSE / Σ‖x‖²; (-inf, 1], dimensionless; SAELens before 6.45.1, SAEBench tables."""
    return one_minus(sum_square_error_dim.sum(), sst_dim.sum() + n * np.square(mean_dim).sum())


@metric
def ev_uncentred_mean(sum_row_ratios):
    """Mean over rows of 1 - ‖e‖²/‖x‖²; (-inf, 1], dimensionless; reports of "86 %" on CLIP."""
    return row_mean(sum_row_ratios[0] - sum_row_ratios[1], sum_row_ratios[0])


@metric
def nmse(sum_row_ratios):
    """Mean over rows of ‖e‖²/‖x‖²; >= 0, dimensionless; MP-SAE language figures."""
    return row_mean(sum_row_ratios[1], sum_row_ratios[0])


@metric
def rel_err(sum_row_ratios):
    """Mean over rows of ‖e‖/‖x‖; >= 0, dimensionless; the error log of KSVD.jl."""
    return row_mean(sum_row_ratios[2], sum_row_ratios[0])


@metric
def shrinkage(sum_row_ratios):
    """Mean over rows of ‖x̂‖/‖x‖; >= 0, 1 = no shrinkage, dimensionless; SAELens (l2_ratio)."""
    return row_mean(sum_row_ratios[3], sum_row_ratios[0])


@metric
def cosine(sum_row_ratios):
    """Mean over rows of cos(x, x̂), 0 where x̂ = 0; [-1, 1], dimensionless."""
    return row_mean(sum_row_ratios[4], sum_row_ratios[0])


@metric
def mse_dim(sum_square_error_dim, n):
    """SSE / (n·dim): mean over rows and dimensions; >= 0, squared input units."""
    return float(sum_square_error_dim.mean() / n)


@metric
def mse_sum(sum_square_error_dim, n):
    """SSE / n: mean over rows of the squared error summed over dimensions; >= 0, squared input units."""
    return float(sum_square_error_dim.sum() / n)


def one_minus(above: float, below: float) -> Value:
    """1 - above / below, null where below is 0."""
    if below == 0:
        return Value(None, note="x has no spread about its reference")
    return Value(float(1 - above / below))


def row_mean(total: float, rows: float) -> Value:
    """total / rows with its count, null if every row of x is zero."""
    return ratio(total, rows, count=int(rows), note="every row of x is 0")
