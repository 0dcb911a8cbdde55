"""What the codes look like: a few held-out rows, latents in the order of the true features."""

import numpy as np

from mpsae.metrics.base import Matrix, metric

ROWS = 100


@metric
def reference_codes(sample_codes, match_codes, atoms):
    """Codes of the first 100 held-out rows, [100, P], on unit atoms and matched by codes; Fig 11-16."""
    scaled = sample_codes[:ROWS] * np.linalg.norm(atoms, axis=1)
    return Matrix(np.where(match_codes >= 0, scaled[:, match_codes], 0.0))
