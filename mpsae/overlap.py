"""The cosines of two dictionaries, read in parts: a table of 65k x 16k is never made whole."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from mpsae.bounds import rows_per_block


class Overlap:
    """C [p, P], C_ij = cos(atom i, true atom j) in float64; a zero atom has cosine 0 with all.

    Reads like an array where an array this large can be read: `C[rows]` (a slice or indices)
    is a block, `C[i, j]` are the cosines of pairs, `C.T` is the table of (true, atom).
    """

    def __init__(self, atoms: Float[np.ndarray, "p dim"], truth: Float[np.ndarray, "P dim"]):
        self.atoms, self.truth = normalised(atoms), normalised(truth)
        self.shape = len(self.atoms), len(self.truth)

    def __len__(self) -> int:
        return len(self.atoms)

    def __getitem__(self, place) -> np.ndarray:
        if not isinstance(place, tuple):
            return self.atoms[place] @ self.truth.T
        latents, features = place
        return np.einsum("...d,...d->...", self.atoms[latents], self.truth[features])

    @property
    def T(self) -> "Overlap":
        """The same cosines, true atoms first."""
        other = object.__new__(Overlap)
        other.atoms, other.truth, other.shape = self.truth, self.atoms, self.shape[::-1]
        return other


def blocks(table: np.ndarray | Overlap) -> Iterator[tuple[slice, np.ndarray]]:
    """(which rows, those rows) of a table, a bounded number at a time."""
    rows = rows_per_block(table.shape[1])
    for start in range(0, table.shape[0], rows):
        part = slice(start, start + rows)
        yield part, table[part]


def normalised(rows: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    """Rows of norm 1 in float64; zero rows stay zero."""
    rows = np.asarray(rows, np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1.0)
