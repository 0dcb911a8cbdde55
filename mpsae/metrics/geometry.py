"""The dictionary alone: how close its atoms are to each other, and how it meets the codes.

G = D̂ D̂ᵀ of unit atoms. Zero atoms are left out: padding changes nothing here. G is
made in row blocks, so a wide dictionary never needs it whole.
"""

from typing import NamedTuple

import numpy as np

from mpsae.bounds import rows_per_block
from mpsae.metrics.base import Matrix, Value, metric, shared
from mpsae.overlap import normalised

RADII = (1, 2, 5, 10, 20, 50, 100)  # of Babel
BLOCK = 1024  # rows of G at once; fewer in a wide dictionary
SUPPORT = 64  # largest support of `babel_coactive`


class Pairs(NamedTuple):
    """What a pass over all off-diagonal cosines leaves behind."""

    nearest: np.ndarray  # [alive] largest |cos| of each atom
    nearest_signed: np.ndarray  # [alive] largest cos of each atom
    babel: np.ndarray  # [r] max over atoms of the sum of the r largest |cos|
    histogram: np.ndarray  # [200] counts of cos on [-1, 1]


@shared
def atom_pairs(atoms):
    """Pairs of the alive atoms, or None below two of them."""
    unit = normalised(atoms[np.any(atoms != 0, axis=1)])
    if len(unit) < 2:
        return None
    radius = min(len(unit) - 1, RADII[-1])
    nearest, signed, babel, histogram = [], [], np.zeros(radius), np.zeros(200, np.int64)
    for start in range(0, len(unit), step := min(BLOCK, rows_per_block(len(unit)))):
        cos = unit[start : start + step] @ unit.T
        rows = np.arange(len(cos))
        cos[rows, start + rows] = np.nan
        histogram += np.histogram(np.clip(cos[~np.isnan(cos)], -1, 1), bins=200, range=(-1.0, 1.0))[0]
        cos[rows, start + rows] = -np.inf
        signed.append(cos.max(1))
        cos[rows, start + rows] = 0.0
        size = np.abs(cos)
        nearest.append(size.max(1))
        largest = -np.sort(-np.partition(size, -radius, axis=1)[:, -radius:], axis=1)
        babel = np.maximum(babel, np.cumsum(largest, axis=1).max(0))
    return Pairs(np.concatenate(nearest), np.concatenate(signed), babel, histogram)


@metric
def coherence(atom_pairs):
    """max over i != j of |cos(d_i, d_j)|; [0, 1], dimensionless; 0 = orthonormal, 1 = a duplicate."""
    return ALONE if atom_pairs is None else float(atom_pairs.nearest.max())


@metric
def coherence_signed(atom_pairs):
    """max over i != j of cos(d_i, d_j); [-1, 1], dimensionless; IsoEnergy."""
    return ALONE if atom_pairs is None else float(atom_pairs.nearest_signed.max())


@metric
def mean_max_cos(atom_pairs):
    """Mean over atoms of max over others of |cos|; [0, 1], dimensionless."""
    return ALONE if atom_pairs is None else Value(float(atom_pairs.nearest.mean()), len(atom_pairs.nearest))


@metric
def composition_maxcos(atom_pairs):
    """Mean over atoms of max over others of the signed cos; [-1, 1], dimensionless; Tree SAE."""
    return (
        ALONE
        if atom_pairs is None
        else Value(float(atom_pairs.nearest_signed.mean()), len(atom_pairs.nearest))
    )


@metric
def coherence_hist(atom_pairs):
    """Histogram of cos(d_i, d_j) over ordered pairs i != j, 200 bins on [-1, 1]; an array of counts."""
    return ALONE if atom_pairs is None else Matrix(atom_pairs.histogram)


@metric
def babel(atom_pairs):
    """max over i of the sum of the r largest |G_ij|, j != i; [0, r], at r = 1, 2, 5, 10, ..."""
    if atom_pairs is None:
        return ALONE
    return [Value(float(atom_pairs.babel[r - 1]), at={"r": r}) for r in RADII if r <= len(atom_pairs.babel)]


@metric
def babel_coactive(atoms, sample_codes):
    """Babel of the atoms on each row's support S, mean over rows with |S| > r; [0, r], at r.

    First 256 rows, the 64 largest codes of each. It grows with |S|: compare at equal k only.
    """
    unit = normalised(atoms)
    found = {r: [] for r in RADII}
    for z in sample_codes:
        support = np.flatnonzero(z)
        support = support[np.argsort(-np.abs(z[support]), kind="stable")[:SUPPORT]]
        if len(support) < 2:
            continue
        size = np.abs(unit[support] @ unit[support].T)
        np.fill_diagonal(size, 0.0)
        sums = np.cumsum(-np.sort(-size, axis=1), axis=1).max(0)
        for r in RADII:
            if r < len(support):
                found[r].append(sums[r - 1])
    rows = [Value(float(np.mean(sums)), len(sums), {"r": r}) for r, sums in found.items() if sums]
    return rows or Value(None, 0, note="no row has two active latents")


@metric
def eff_rank_dict(atoms):
    """exp entropy of the singular values of D̂ (unit atoms) normalised to sum 1; [1, min(p, dim)]."""
    unit = normalised(atoms)
    wide = unit.shape[0] > unit.shape[1]
    spectrum = np.linalg.eigvalsh(unit.T @ unit if wide else unit @ unit.T)
    if spectrum[-1] <= 0:
        return Value(None, note="every atom is zero")
    spectrum = np.where(spectrum > 1e-12 * spectrum[-1], spectrum, 0.0)
    return effective_rank(np.sqrt(spectrum))


def effective_rank(weights: np.ndarray) -> float:
    """exp(-Σ q ln q), q = weights / Σ weights: how many equal weights would be as spread."""
    if not np.isfinite(weights).all():
        return float("nan")
    share = weights[weights > 0] / weights.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


ALONE = Value(None, note="fewer than two atoms")
