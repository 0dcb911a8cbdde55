"""Sizes to race on, and the same rows and dictionary for everyone."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Size(NamedTuple):
    """A batch of rows in `dim` dimensions, `width` atoms, k steps."""

    batch: int
    dim: int
    width: int
    k: int

    def __str__(self) -> str:
        return f"{self.batch} x {self.dim}, {self.width} atoms, k {self.k}"


SIZES = {
    "smoke": [Size(64, 32, 320, 4)],
    "quick": [Size(1024, 64, 512, 8), Size(1024, 784, 1000, 10), Size(50, 784, 1000, 10)],
    "full": [
        Size(1024, 64, 512, 8),
        Size(1024, 784, 1000, 10),
        Size(50, 784, 1000, 10),
        Size(1024, 512, 4096, 16),
        Size(512, 768, 12288, 32),
    ],
}


def problem(size: Size) -> tuple[Float[np.ndarray, "batch dim"], Float[np.ndarray, "width dim"]]:
    """(rows, unit atoms), float32: k atoms of a true dictionary a row, and noise; atoms near the true ones.

    Coefficients are uniform on [.5, 1.5] and the noise has a tenth of their scale a dimension of a
    unit direction. The dictionary to race on is the true one disturbed by half its length, as after
    some training: neither random to the data nor a perfect fit, which would end the pursuit early.
    """
    rng = np.random.default_rng(list(size))
    true = _unit(rng.normal(size=(size.width, size.dim)))
    chosen = rng.integers(0, size.width, (size.batch, size.k))
    weights = rng.uniform(0.5, 1.5, (size.batch, size.k))
    noise = rng.normal(size=(size.batch, size.dim)) / np.sqrt(size.dim)
    rows = np.stack([w @ true[c] for w, c in zip(weights, chosen, strict=True)]) + noise
    atoms = _unit(true + 0.5 * rng.normal(size=true.shape) / np.sqrt(size.dim))
    return rows.astype(np.float32), atoms.astype(np.float32)


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
