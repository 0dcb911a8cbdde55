"""A shrunken linear discriminant with equal priors, for many sets of labels of the same rows.

S_w = (1 - s) Σ_within + s µ I, with s of Ledoit and Wolf (2004) and µ the mean variance; a row
belongs to the class of largest x S_w⁻¹ m_c - m_c S_w⁻¹ m_c / 2. Closed form, so deterministic.
"""

import numpy as np
from jaxtyping import Float, Int

LEAST = 1e-6  # of the shrinkage: classes without any spread are told apart too


class Scatter:
    """The rows to fit on, prepared once for all labels: in their eigenvectors S_t is diagonal."""

    def __init__(self, rows: Float[np.ndarray, "n dim"]):
        self.mean = rows.mean(0)
        centred = rows - self.mean
        # Everything takes place in the span of the rows: of min(n, dim) dimensions.
        values, vectors = np.linalg.eigh(
            centred @ centred.T if len(rows) < rows.shape[1] else centred.T @ centred
        )
        keep = values > 1e-10 * max(values[-1], 1e-300)
        values, vectors = values[keep], vectors[:, keep]
        if len(rows) < rows.shape[1]:
            vectors = centred.T @ vectors / np.sqrt(values)
        self.basis, self.rows, self.variance = vectors, centred @ vectors, values / len(rows)
        self.shrinkage = shrinkage(self.variance, np.square(centred).sum(1), rows.shape[1])

    def coordinates(self, new: Float[np.ndarray, "m dim"]) -> Float[np.ndarray, "m span"]:
        """New rows where `predict` takes them."""
        return (new - self.mean) @ self.basis

    def predict(
        self, label: Int[np.ndarray, " n"], new: Float[np.ndarray, "m span"]
    ) -> Int[np.ndarray, " m"]:
        """The class of each new row, given the label of every fitted one."""
        classes, number = np.unique(label, return_inverse=True)
        one_hot = np.eye(len(classes))[number]
        count = one_hot.sum(0)
        means = (one_hot.T @ self.rows) / count[:, None]
        s, spread = self.shrinkage, self.variance.sum() / len(self.mean)
        # S_w = S_t - (1 - s) Mᵀ P M: by Woodbury from the diagonal S_t, a system of one row per class.
        scaled = means / ((1 - s) * self.variance + s * spread)
        between = (1 - s) * (count / count.sum())[:, None] * (means @ scaled.T)
        weights = np.linalg.solve((np.eye(len(classes)) - between).T, scaled)
        scores = new @ weights.T - (means * weights).sum(1) / 2
        return classes[scores.argmax(1)]


def shrinkage(variance: np.ndarray, lengths: Float[np.ndarray, " n"], dim: int) -> float:
    """Ledoit and Wolf's share of the identity, from the spectrum and the squared lengths of centred rows."""
    square = np.square(variance).sum()
    away = square - variance.sum() ** 2 / dim
    noise = (np.square(lengths).mean() - square) / len(lengths)
    return 1.0 if away <= 0 else float(np.clip(noise / away, LEAST, 1.0))
