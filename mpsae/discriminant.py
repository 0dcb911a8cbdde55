"""A shrunken linear discriminant with equal priors, for many sets of labels of the same rows.

S_w = (1 - s) Σ_within + s µ I, with s of Ledoit and Wolf (2004) and µ the mean variance; a row
belongs to the class of largest x S_w⁻¹ m_c - m_c S_w⁻¹ m_c / 2. Closed form, so deterministic.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

LEAST = 1e-6  # of the shrinkage: classes without any spread are told apart too


class Scatter:
    """Rows to fit on, dense or scipy.sparse, prepared once for all labels: in their eigenvectors S_t is diagonal.

    Of the products of rows, S_t or, if there are more dimensions than rows, their Gram matrix is made.
    """

    def __init__(self, rows: Any):
        count, self.dim = rows.shape
        self.wide = count < self.dim
        self.fitted: Any = rows if self.wide else _dense(rows)
        if self.wide:
            self.products = _dense(rows @ rows.T)
            table = _centred(self.products, self.products.mean(0))
        else:
            self.mean = self.fitted.mean(0)
            table = self.fitted.T @ self.fitted - count * np.outer(self.mean, self.mean)
        values, vectors = np.linalg.eigh(table)
        keep = values > 1e-10 * max(values[-1], 1e-300)
        values, vectors = values[keep], vectors[:, keep]
        self.axes = vectors / np.sqrt(values) if self.wide else vectors
        self.rows = self.coordinates(self.fitted)
        self.variance = values / count
        self.shrinkage = shrinkage(self.variance, np.square(self.rows).sum(1), self.dim)

    def coordinates(self, new: Any) -> Float[np.ndarray, "m span"]:
        """New rows [m, dim] where `predict` takes them."""
        if self.wide:
            return _centred(_dense(new @ self.fitted.T), self.products.mean(0)) @ self.axes
        return (_dense(new) - self.mean) @ self.axes

    def predict(
        self, label: Int[np.ndarray, " n"], new: Float[np.ndarray, "m span"]
    ) -> Int[np.ndarray, " m"]:
        """The class of each new row, given the label of every fitted one."""
        classes, number = np.unique(label, return_inverse=True)
        one_hot = np.eye(len(classes))[number]
        count = one_hot.sum(0)
        means = (one_hot.T @ self.rows) / count[:, None]
        s, spread = self.shrinkage, self.variance.sum() / self.dim
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


def _centred(products: np.ndarray, means: np.ndarray) -> np.ndarray:
    """⟨a - µ, b - µ⟩ from ⟨a, b⟩, b the fitted rows and µ their mean; means: of ⟨b', b⟩ over b'."""
    return products - products.mean(1, keepdims=True) - means + means.mean()


def _dense(rows: Any) -> np.ndarray:
    return rows if isinstance(rows, np.ndarray) else rows.toarray()
