"""The spectrum of the codes: how many directions of code space are used, and which fire together.

λ are the eigenvalues of ZᵀZ, summed in float32 over all held-out rows; those below
1e-6 λ_max are 0, because float32 cannot tell them from it. ZᵀZ is a p x p table: above
`bounds.TABLE` (8192 latents) every metric here is null, with a note.
"""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import Value, metric, shared, statistic
from mpsae.metrics.geometry import effective_rank
from mpsae.tally import second_moment


@statistic
def sum_gram(b):
    """[p, p] ZᵀZ of the codes as they are."""
    return second_moment(b.active)


@statistic
def sum_gram_rownorm(b):
    """[p, p] ZᵀZ with every row of Z divided by its norm; zero rows stay zero."""
    norms = jnp.linalg.norm(b.active.values, axis=1, keepdims=True)
    rows = b.active.values / jnp.where(norms > 0, norms, 1.0)
    return second_moment(b.active.replace(values=rows))


@shared
def spectrum(sum_gram):
    """Eigenvalues of ZᵀZ, descending, or None if every code is 0."""
    return eigenvalues(sum_gram)


@metric
def eff_rank_gram(spectrum):
    """exp entropy of λ normalised to sum 1; [1, p], dimensionless; MP-SAE (raw codes)."""
    return SILENT if spectrum is None else effective_rank(spectrum)


@metric
def eff_rank_sv(spectrum):
    """exp entropy of √λ, the singular values of Z, normalised to sum 1; [1, p]; Roy & Vetterli."""
    return SILENT if spectrum is None else effective_rank(np.sqrt(spectrum))


@metric
def eff_rank_rownorm(sum_gram_rownorm):
    """`eff_rank_gram` after dividing each code by its norm; [1, p], dimensionless; IsoEnergy."""
    values = eigenvalues(sum_gram_rownorm)
    return SILENT if values is None else effective_rank(values)


@metric
def stable_rank(spectrum):
    """‖Z‖_F² / ‖Z‖₂² = Σλ / λ_max; [1, p], dimensionless."""
    return SILENT if spectrum is None else float(spectrum.sum() / spectrum[0])


@metric
def stable_rank_gram(spectrum):
    """‖ZᵀZ‖_F² / ‖ZᵀZ‖₂² = Σλ² / λ_max²; [1, p], dimensionless; IsoEnergy."""
    return SILENT if spectrum is None else float(np.square(spectrum / spectrum[0]).sum())


@metric
def connectivity(sum_gram):
    """1 - #{(i, j): (ZᵀZ)_ij != 0} / p²; [0, 1]: 1 - 1/p if latents never fire together."""
    return float(1 - np.count_nonzero(sum_gram) / sum_gram.size)


@metric
def neg_interference(sum_gram, atoms):
    """‖ReLU(-(ZᵀZ) ⊙ (DDᵀ))‖₂ (spectral); >= 0, squared input units, grows with the rows scored.

    0 = latents that fire together never cancel; IsoEnergy.
    """
    if not np.isfinite(sum_gram).all():
        return Value(None, note="codes are not finite")
    against = np.maximum(-sum_gram * (atoms @ atoms.T), 0.0)
    against = _without_zeros(against + against.T) / 2
    # Symmetric and >= 0: its norm is its largest eigenvalue.
    return float(max(np.linalg.eigvalsh(against)[-1], 0.0)) if len(against) else 0.0


def eigenvalues(gram: np.ndarray) -> np.ndarray | None:
    """Eigenvalues of a positive semidefinite matrix, descending, with float32 noise set to 0."""
    if not np.isfinite(gram).all():
        return np.full(len(gram), np.nan)
    live = _without_zeros(gram + gram.T) / 2
    values = np.linalg.eigvalsh(live)[::-1] if len(live) else np.zeros(1)
    if values[0] <= 0:
        return None
    return np.pad(np.where(values > 1e-6 * values[0], values, 0.0), (0, len(gram) - len(values)))


def _without_zeros(symmetric: np.ndarray) -> np.ndarray:
    """The matrix without rows and columns of zeros, which add eigenvalues 0; p³ is much for latents that are dead."""
    there = symmetric.any(1)
    return symmetric[np.ix_(there, there)]


SILENT = Value(None, note="every code is 0")
