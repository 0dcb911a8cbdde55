"""How many latents fire, how often, and how unevenly.

Active means z != 0. A latent that never fires on the held-out set, or whose atom is
zero, is dead; the sign of a code never makes a latent dead.
"""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import Matrix, Value, metric, ratio, shared, statistic
from mpsae.tally import per_latent


@statistic
def count_l0(b):
    """[p + 1] number of rows with exactly i active latents: exact, where a sum of squares is not."""
    return jnp.zeros(len(b.atoms) + 1).at[b.active.l0()].add(1.0)


@statistic
def count_active(b):
    """[p] number of rows on which a latent is active."""
    return per_latent(b.active, b.active.values != 0)


@statistic
def sum_energy(b):
    """[p] Σ_n z_i² of the codes as they are."""
    return per_latent(b.active, jnp.square(b.active.values))


@statistic
def sum_hoyer(b):
    """[2] Σ over rows with a code of (√p - ‖z‖₁/‖z‖₂), and the number of those rows."""
    z = b.active.values
    square = jnp.linalg.norm(z, axis=1)
    active = square != 0
    peak = jnp.sqrt(float(len(b.atoms))) - jnp.abs(z).sum(1) / jnp.where(active, square, 1.0)
    return jnp.stack([jnp.where(active, peak, 0.0).sum(), active.sum()])


@shared
def rates(count_active, n, atoms):
    """[p] firing rate of each latent; 0 for zero atoms."""
    return np.where(np.any(atoms != 0, axis=1), count_active / n, 0.0)


@metric
def l0(count_l0, n):
    """Mean over rows of the number of active latents; [0, p], a count; everyone."""
    return Value(float(count_l0 @ np.arange(len(count_l0)) / n), int(n))


@metric
def l0_fraction(count_l0, n):
    """l0 / p; [0, 1], dimensionless; called `l0` by overcomplete."""
    return float(count_l0 @ np.arange(len(count_l0)) / n / (len(count_l0) - 1))


@metric
def l0_max(count_l0):
    """Largest number of active latents on one row; a count. Pursuit with early stop varies."""
    return float(np.flatnonzero(count_l0)[-1])


@metric
def l0_std(count_l0, n):
    """Standard deviation over rows of the number of active latents; >= 0, a count."""
    sizes = np.arange(len(count_l0))
    mean = count_l0 @ sizes / n
    return float(np.sqrt(count_l0 @ np.square(sizes - mean) / n))


@metric
def dead(rates):
    """Number of latents never active on the held-out set (or with a zero atom); [0, p], a count."""
    return float((rates == 0).sum())


@metric
def dead_frac(rates):
    """Share of latents that are dead; [0, 1], dimensionless."""
    return float((rates == 0).mean())


@metric(name="dead_1e-5")
def dead_1e_5(rates):
    """Number of latents with firing rate below 1e-5; [0, p], a count; equals `dead` below 1e5 rows."""
    return float((rates < 1e-5).sum())


@metric(name="dead_1e-6")
def dead_1e_6(rates):
    """Number of latents with firing rate below 1e-6; [0, p], a count; equals `dead` below 1e6 rows."""
    return float((rates < 1e-6).sum())


@metric
def density(rates):
    """Firing rate of every latent, in latent order; an array [p], each in [0, 1]."""
    return Matrix(rates)


@metric
def density_log10(rates):
    """Quantiles over alive latents of log10 firing rate, at q; <= 0, decades."""
    alive = rates[rates > 0]
    if not len(alive):
        return Value(None, 0, note="every latent is dead")
    return [
        Value(float(np.quantile(np.log10(alive), q)), len(alive), {"q": q})
        for q in (0.05, 0.25, 0.5, 0.75, 0.95)
    ]


@metric
def density_hist(rates):
    """Histogram of log10 firing rate over alive latents, 80 bins on [-8, 0]; an array of counts."""
    alive = rates[rates > 0]
    return Matrix(np.histogram(np.log10(alive), bins=80, range=(-8.0, 0.0))[0])


@metric
def dense_frac(rates):
    """Share of latents with firing rate above .1; [0, 1], dimensionless."""
    return float((rates > 0.1).mean())


@metric
def common_frac(rates):
    """Share of latents with firing rate above .01; [0, 1], dimensionless."""
    return float((rates > 0.01).mean())


@metric
def hoyer(sum_hoyer, atoms):
    """Mean over rows of (√p - ‖z‖₁/‖z‖₂)/(√p - 1), zero codes left out; [0, 1], 1 = one-hot.

    It rises with p at equal codes: compare at equal width only.
    """
    if len(atoms) == 1:
        return Value(None, note="one latent has no sparsity")
    total, rows = sum_hoyer
    return ratio(total / (np.sqrt(len(atoms)) - 1), rows, count=int(rows), note="every code is 0")


@metric
def energy(sum_energy, n):
    """E[z_i²] of every latent, in latent order; an array [p], squared code units."""
    return Matrix(sum_energy / n)


@metric
def energy_top1(sum_energy):
    """Share of the energy Σz² in the most energetic 1 % of latents (at least one); [0, 1]."""
    top = -(-len(sum_energy) // 100)
    return ratio(np.sort(sum_energy)[-top:].sum(), sum_energy.sum(), note="every code is 0")
