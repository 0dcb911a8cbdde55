"""Hungarian alignment of learned atoms with true features."""

import numpy as np
from jaxtyping import Float, Int

Matching = Int[np.ndarray, " P"]


def cosines(atoms: Float[np.ndarray, "p dim"], truth: Float[np.ndarray, "P dim"]) -> np.ndarray:
    """C [p, P], C_ij = cos(atom i, true atom j) in float64; a zero atom has cosine 0 with all."""
    return _unit(atoms) @ _unit(truth).T


def by_cosine(cosine: Float[np.ndarray, "p P"]) -> Matching:
    """The latent of each feature that maximises Σ C (the convention of `mcc_signed`)."""
    return _assign(cosine, alive=np.any(cosine != 0, axis=1))


def by_abs_cosine(cosine: Float[np.ndarray, "p P"]) -> Matching:
    """The latent of each feature that maximises Σ |C| (the convention of `mcc`)."""
    return _assign(np.abs(cosine), alive=np.any(cosine != 0, axis=1))


def by_codes(codes: Float[np.ndarray, "n p"], true_codes: Float[np.ndarray, "n P"]) -> Matching:
    """The latent of each feature by the paper's alignment: maximal Σ of code products.

    Both code sets are divided by the maximum of each column. A pair whose product is 0
    never fires together: it is no match, whatever the assignment said.
    """
    product = _column_max(codes).T @ _column_max(true_codes)
    match = _assign(product, alive=np.any(product != 0, axis=1))
    matched = np.flatnonzero(match >= 0)
    match[matched[product[match[matched], matched] <= 0]] = -1
    return match


def by_argmax(cosine: Float[np.ndarray, "p P"]) -> Matching:
    """The latent of largest signed cosine for each feature: one latent may serve several."""
    return np.where(np.any(cosine != 0, axis=0), np.argmax(cosine, axis=0), -1)


def _assign(score: np.ndarray, *, alive: np.ndarray) -> Matching:
    """Maximal assignment over the alive rows: zero atoms cannot take a feature away."""
    from scipy.optimize import linear_sum_assignment

    match = np.full(score.shape[1], -1)
    rows = np.flatnonzero(alive)
    latents, features = linear_sum_assignment(score[rows], maximize=True)
    match[features] = rows[latents]
    return match


def _unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)


def _column_max(codes: np.ndarray) -> np.ndarray:
    codes = np.nan_to_num(np.asarray(codes, np.float64), posinf=0.0, neginf=0.0)  # broken codes match nothing
    top = np.abs(codes).max(axis=0)
    return codes / np.where(top > 0, top, 1.0)
