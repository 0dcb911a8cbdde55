"""Dictionaries fitted on rows by methods older than SAEs: principal directions, centroids, lasso."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

ALPHA = 0.1  # strength of the lasso on rows of root mean square length 1


class Dictionary(NamedTuple):
    """Atoms of unit length, and the constant that is added to what they decode."""

    atoms: Float[np.ndarray, "width dim"]
    bias: Float[np.ndarray, " dim"]


def pca(rows: Float[np.ndarray, "n dim"], width: int, seed: int) -> Dictionary:
    """±v₁, ±v₂, ...: both signs of the principal directions, so that codes stay positive; at most 2·dim.

    The bias is the mean. Nothing is drawn, so `seed` does not matter.
    """
    mean = rows.mean(0)
    _, directions = np.linalg.eigh((rows - mean).T @ (rows - mean))
    falling = directions.T[::-1]
    return Dictionary(np.stack([falling, -falling], axis=1).reshape(-1, rows.shape[1])[:width], mean)


def kmeans(rows: Float[np.ndarray, "n dim"], width: int, seed: int) -> Dictionary:
    """Centroids of the centred rows, scaled to unit length; the bias is the mean."""
    from sklearn.cluster import MiniBatchKMeans

    mean = rows.mean(0)
    model = MiniBatchKMeans(width, n_init=3, random_state=seed).fit(rows - mean)
    return Dictionary(_unit(model.cluster_centers_), mean)


def dictionary_learning(rows: Float[np.ndarray, "n dim"], width: int, seed: int) -> Dictionary:
    """Online dictionary learning, min ½‖x - z D‖² + α‖z‖₁ over z >= 0 and ‖d_i‖ <= 1; the bias is 0.

    α = `ALPHA` on rows of root mean square length 1: under scikit-learn's own α = 1 nearly every code is
    0, and short rows count as none. One pass over the rows. No mean is taken off, for it would have to be
    put together from positive codes again. Source: Mairal et al., Online dictionary learning, 2009.
    """
    from sklearn.decomposition import MiniBatchDictionaryLearning
    from sklearn.exceptions import ConvergenceWarning

    model = MiniBatchDictionaryLearning(
        width,
        alpha=ALPHA,
        max_iter=1,
        positive_code=True,
        fit_algorithm="cd",
        random_state=seed,
    )
    with warnings.catch_warnings():
        # A few codes on the first, random atoms stop early; the atoms they serve are replaced.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows / np.sqrt(np.square(rows).sum(1).mean()))
    return Dictionary(_unit(model.components_), np.zeros(rows.shape[1]))


def _unit(atoms):
    size = np.linalg.norm(atoms, axis=1, keepdims=True)
    return atoms / np.where(size > 0, size, 1.0)


FITTED: dict[str, Callable[[np.ndarray, int, int], Dictionary]] = {
    "pca": pca,
    "kmeans": kmeans,
    "dictionary_learning": dictionary_learning,
}
