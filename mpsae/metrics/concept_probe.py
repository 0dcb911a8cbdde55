"""Can a straight line read a factor out of codes, out of x̂, out of x? Needs labels.

A linear discriminant with equal priors (`discriminant`) is fitted on one half of the items and asked
about the other, both ways round. What x̂ and the code lose against x, the SAE has lost.
"""

import numpy as np

from mpsae.discriminant import Scatter
from mpsae.metrics.base import Value, metric
from mpsae.metrics.concepts import DEAD

DENSE = 0.05  # share of entries above which products of dense codes are quicker


@metric
def concept_probe(parts, sides, factors, halves, atoms):
    """Accuracy of a linear read-out of the factor on the half not fitted on; [0, 1].

    At factor, side and of = code (of live latents, on unit atoms), xhat or x; read it against
    `concept_chance`. Items count where the other half has one of known class to fit on.
    """
    lengths, found = np.linalg.norm(atoms, axis=1), []
    for side, rows in parts.sides.items():
        codes = (rows.z * lengths[None]).tocsc()[:, np.flatnonzero(sides.live[side])].tocsr()
        if codes.nnz > DENSE * np.prod(codes.shape):
            codes = codes.toarray()
        for name, table in (("code", codes), ("xhat", rows.xhat), ("x", rows.x)):
            found += _accuracies(table, factors, halves, {"side": side, "of": name})
    return found


@metric
def concept_chance(factors):
    """Share of the largest class among items of known class: the accuracy of always saying it; (0, 1]."""
    found = []
    for factor in factors:
        count = np.bincount(factor.label[factor.label >= 0])
        found.append(_share(count.max(initial=0), count.sum(), factor, {}))
    return found


def _accuracies(table, factors, halves, at):
    fitted = {}
    found = []
    values = table if isinstance(table, np.ndarray) else table.data
    if not table.shape[1] or not np.isfinite(values).all():
        note = "not finite" if table.shape[1] else DEAD
        return [Value(None, 0, {"factor": factor.name} | at, note) for factor in factors]
    for factor in factors:
        known, right, count = factor.label >= 0, 0, 0
        for fit, ask in ((halves[0] & known, halves[1] & known), (halves[1] & known, halves[0] & known)):
            if not fit.any():
                continue
            key = fit.tobytes(), ask.tobytes()
            if key not in fitted:
                scatter = Scatter(table[fit])
                fitted[key] = scatter, scatter.coordinates(table[ask])
            scatter, asked = fitted[key]
            right += (scatter.predict(factor.label[fit], asked) == factor.label[ask]).sum()
            count += ask.sum()
        found.append(_share(right, count, factor, at, note="no class is known in both halves"))
    return found


def _share(right, count, factor, at, note="no item has a known class"):
    at = {"factor": factor.name} | at
    if not count:
        return Value(None, 0, at, note)
    return Value(float(right / count), int(count), at)
