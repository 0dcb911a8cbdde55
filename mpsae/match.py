"""Hungarian alignment of learned atoms with true features.

A table of at most `DENSE` entries is made whole and solved by scipy's linear_sum_assignment:
a second at 4096 x 4096. A larger one is never whole: `assign.by_lists` reads it a block at
a time and proves that it has the same optimum. Seconds on one busy core, dim 128, latents x
features, once with dictionaries that recover 70 % of the truth, once with random ones:

    size             dense solver   memory    lists and cosines   peak of the process
    8192 x 8192       4.4    9.2    1 GiB        5.5    3.9        0.4 GB
    65536 x 2048      4.7    2.3    2 GiB       14.3   10.0        0.5 GB
    16384 x 16384    38.0   54.8    4 GiB       41.0   14.7        0.5 GB
    65536 x 16384    not run       16 GiB      149     not run     0.5 GB

The solver itself needs 1 to 4 s a round of these; the rest is reading the cosines.
The totals agree to 1e-12. Dense memory is the float64 table and the solver's copy.
"""

import numpy as np
from jaxtyping import Float, Int

from mpsae.assign import by_lists
from mpsae.bounds import check_table
from mpsae.overlap import Overlap, blocks, normalised

DENSE = 2**24  # entries up to which the whole table is made and solved at once: 4096 x 4096
Matching = Int[np.ndarray, " P"]
Cosines = Float[np.ndarray, "p P"] | Overlap


def cosines(atoms: Float[np.ndarray, "p dim"], truth: Float[np.ndarray, "P dim"]) -> np.ndarray:
    """C [p, P], C_ij = cos(atom i, true atom j) in float64; a zero atom has cosine 0 with all.

    Raises TooLarge where it is: `overlap.Overlap` is the same table at any size.
    """
    check_table(len(atoms), len(truth))
    return normalised(atoms) @ normalised(truth).T


def by_cosine(cosine: Cosines) -> Matching:
    """The latent of each feature that maximises Σ C (the convention of `mcc_signed`)."""
    return _assign(cosine, alive=_any(cosine))


def by_abs_cosine(cosine: Cosines) -> Matching:
    """The latent of each feature that maximises Σ |C| (the convention of `mcc`)."""
    return _assign(cosine, alive=_any(cosine), size=np.abs)


def by_codes(codes: Float[np.ndarray, "n p"], true_codes: Float[np.ndarray, "n P"]) -> Matching:
    """The latent of each feature by the paper's alignment: maximal Σ of code products.

    Both code sets are divided by the maximum of each column. A pair whose product is 0
    never fires together: it is no match, whatever the assignment said. Either set may be
    a scipy.sparse array.
    """
    product = _product(codes, true_codes)
    match = _assign(product, alive=_any(product))
    matched = np.flatnonzero(match >= 0)
    match[matched[np.asarray(product[match[matched], matched]).ravel() <= 0]] = -1
    return match


def by_argmax(cosine: Float[np.ndarray, "p P"]) -> Matching:
    """The latent of largest signed cosine for each feature: one latent may serve several."""
    return np.where(np.any(cosine != 0, axis=0), np.argmax(cosine, axis=0), -1)


def _assign(score, *, alive: np.ndarray, size=np.asarray) -> Matching:
    """Maximal assignment over the alive rows: zero atoms cannot take a feature away."""
    from scipy.optimize import linear_sum_assignment

    features = score.shape[1]
    match, rows = np.full(features, -1), np.flatnonzero(alive)
    if len(rows) * features <= DENSE:
        latents, matched = linear_sum_assignment(size(_dense(score[rows])), maximize=True)
        match[matched] = rows[latents]
    elif len(rows) >= features:
        turned = score.T.tocsr() if hasattr(score, "tocsr") else score.T
        match = rows[by_lists(lambda ids: size(_dense(turned[ids]))[:, rows], features, len(rows))]
    else:
        match[by_lists(lambda ids: size(_dense(score[rows[ids]])), len(rows), features)] = rows
    return match


def _any(score) -> np.ndarray:
    """[p] the rows that are not all zero."""
    some = [np.any(_dense(part) != 0, axis=1) for _, part in blocks(score)]
    return np.concatenate(some) if some else np.zeros(0, bool)


def _dense(part) -> np.ndarray:
    return part.toarray() if hasattr(part, "toarray") else part


def _product(codes, true_codes):
    """[p, P] Σ of code products; sparse where it is large, for most latents never meet most features."""
    if codes.shape[1] * true_codes.shape[1] <= DENSE:
        return _column_max(_dense(codes)).T @ _column_max(_dense(true_codes))
    return _sparse_column_max(codes).T.tocsr() @ _sparse_column_max(true_codes)


def _column_max(codes: np.ndarray) -> np.ndarray:
    codes = np.nan_to_num(np.asarray(codes, np.float64), posinf=0.0, neginf=0.0)  # broken codes match nothing
    top = np.abs(codes).max(axis=0)
    return codes / np.where(top > 0, top, 1.0)


def _sparse_column_max(codes):
    from scipy.sparse import csr_array

    codes = csr_array(codes, dtype=np.float64)
    codes.data = np.nan_to_num(codes.data, posinf=0.0, neginf=0.0)
    top = abs(codes).max(axis=0).toarray().ravel()
    codes.data /= np.where(top > 0, top, 1.0)[codes.indices]
    return codes
