"""Directions for more blocks of features than fit side by side: random, or as far apart as they go."""

import jax
import numpy as np
from jaxtyping import Array, Float

Blocks = Float[np.ndarray, "blocks rows dim"]


def haar(key: Array, blocks: int, rows: int, dim: int) -> Blocks:
    """Independent uniformly random blocks of orthonormal rows; float64 from a float32 draw."""
    normal = np.asarray(jax.random.normal(key, (blocks, dim, rows)), np.float64)
    q, r = np.linalg.qr(normal)
    signs = np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return np.swapaxes(q * signs, 1, 2)  # the signs make it Haar, QR alone is not


def tight(groups: list[Blocks], *, rounds: int = 50) -> list[Blocks]:
    """Blocks moved apart: less cosine between blocks, rows within each stay orthonormal.

    Repeats U ← polar(U - (.5/ρ) U (S - I)), S the sum of UᵀU over all blocks and
    ρ = rows/dim. Where a tight frame is attainable the mean squared cosine between rows
    of different blocks of r rows tends to (ρ - 1)/(rows - r).
    """
    dim = groups[0].shape[2]
    rho = sum(group.shape[0] * group.shape[1] for group in groups) / dim
    for _ in range(rounds):
        frame = sum(np.einsum("bri,brj->ij", group, group) for group in groups)
        groups = [_polar(group - (0.5 / rho) * group @ (frame - np.eye(dim))) for group in groups]
    return groups


def orthogonal_unit(key: Array, rows: Float[np.ndarray, "rows dim"]) -> Float[np.ndarray, " dim"]:
    """A random unit vector, orthogonal to these independent rows unless they already fill the space."""
    vector = np.asarray(jax.random.normal(key, (rows.shape[1],)), np.float64)
    if 0 < len(rows) < rows.shape[1]:
        basis = np.linalg.qr(rows.T)[0]
        for _ in range(2):  # once leaves a rounding error that counts where little is left over
            vector = vector - basis @ (basis.T @ vector)
    return vector / np.linalg.norm(vector)


def _polar(blocks: Blocks) -> Blocks:
    """The nearest blocks of orthonormal rows."""
    left, _, right = np.linalg.svd(blocks, full_matrices=False)
    return left @ right
