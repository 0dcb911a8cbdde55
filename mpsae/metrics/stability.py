"""How far two dictionaries, of two seeds, are the same. Functions of atoms, called by the sweep."""

import numpy as np
from jaxtyping import Float

from mpsae.match import by_abs_cosine, by_cosine
from mpsae.metrics.base import Value
from mpsae.overlap import Overlap

Atoms = Float[np.ndarray, "p dim"]
Energies = Float[np.ndarray, " p"]


def stability(one: Atoms, other: Atoms) -> Value:
    """Mean cosine of the Hungarian matching, (1/p) max_P Tr(D₁ᵀ P D₂); [-1, 1]; MP-SAE.

    Unit atoms; p = min of the widths; a zero atom matches nothing and counts 0.
    """
    cosine = Overlap(one, other)
    match = by_cosine(cosine)
    return _mean(_matched(cosine, match), cosine)


def stability_abs(one: Atoms, other: Atoms) -> Value:
    """Mean |cosine| of the Hungarian matching on |cosine|; [0, 1]; blind to sign."""
    cosine = Overlap(one, other)
    match = by_abs_cosine(cosine)
    return _mean(np.abs(_matched(cosine, match)), cosine)


def stability_energy(one: Atoms, other: Atoms, one_energy: Energies, other_energy: Energies) -> Value:
    """Mean cosine of the matching of `stability`, each pair weighted by its mean energy; [-1, 1].

    Energies are E[z²] per latent, divided by their sum in each dictionary; unmatched atoms have no weight.
    """
    cosine = Overlap(one, other)
    match = by_cosine(cosine)
    kept = np.flatnonzero(match >= 0)
    shares = [np.asarray(e, np.float64) / max(np.sum(e), 1e-300) for e in (one_energy, other_energy)]
    weight = (shares[0][match[kept]] + shares[1][kept]) / 2
    if weight.sum() <= 0:
        return Value(None, 0, note="no energy on matched atoms")
    return Value(float(weight @ cosine[match[kept], kept] / weight.sum()), len(kept))


def stability_null(
    one: Atoms, other: Atoms, one_energy: Energies, other_energy: Energies, *, seed: int = 0
) -> Value:
    """`stability_energy` with the energies of both dictionaries permuted: what weighting alone does."""
    shuffle = np.random.default_rng(seed)
    return stability_energy(one, other, shuffle.permutation(one_energy), shuffle.permutation(other_energy))


def _matched(cosine: Overlap, match: np.ndarray) -> np.ndarray:
    """The cosines of the matched pairs."""
    kept = np.flatnonzero(match >= 0)
    return cosine[match[kept], kept]


def _mean(matched: np.ndarray, cosine: Overlap) -> Value:
    pairs = min(cosine.shape)
    if not pairs:
        return Value(None, 0, note="an empty dictionary")
    return Value(float(matched.sum() / pairs), pairs)
