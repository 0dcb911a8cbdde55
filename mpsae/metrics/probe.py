"""Can the modality of a row be read off? By a linear probe, by one latent, by the side of an atom.

On the pool: pairs at even places are fitted, those at odd places are tested, both rows of a pair on
one side. On CLIP embeddings a probe on x is at 1, with random weights too: it says that there is a gap,
not that a dictionary is good.
"""

import dataclasses
import warnings
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mpsae.bounds import rows_per_block
from mpsae.metrics.base import Value, metric, shared
from mpsae.metrics.modality import DEAD
from mpsae.metrics.retrieval import BROKEN, representations
from mpsae.overlap import normalised


@metric
def probe_acc(pool, pool_codes):
    """Accuracy of logistic regression for the modality on held-out rows, at of = x, xhat, code; [0, 1].

    scikit-learn, C = 1, on rows scaled to a mean variance of 1 per dimension. Two isotropic Gaussians of
    deviation σ at distance δ: Φ(δ/2σ) at best.
    """
    parts = representations(pool, pool_codes).items()
    return [dataclasses.replace(probe(image, text), at={"of": name}) for name, (image, text) in parts]


@metric
def probe_auc_best(pool_codes):
    """AUC of the best single latent for the modality on held-out rows; [0, 1], chance ½.

    Latent and direction are chosen on the other half by largest |AUC - ½|.
    """
    rows, is_image, fitted = halves(*pool_codes)
    if rows is None:
        return FEW
    if not np.isfinite(rows.data).all():
        return Value(None, note=BROKEN)
    seen = auc(rows[fitted], is_image[fitted])
    best = np.abs(seen - 0.5).argmax()
    value = auc(rows[~fitted][:, [best]], is_image[~fitted])[0]
    return Value(float(value if seen[best] >= 0.5 else 1 - value), int((~fitted).sum()))


@shared
def atom_sides(pool, atoms, modality):
    """[p] accuracy of sign⟨x - b̄, d_i⟩ for the modality, b̄ the mean of unit atoms weighted by energy."""
    unit = normalised(atoms)
    return sides(pool, unit, np.nan_to_num(modality.energy) @ unit)


@shared
def atom_sides_centred(pool, atoms):
    """[p] `atom_sides` with b̄ midway between the two means of x."""
    middle = (pool.image.x.mean(0) + pool.text.x.mean(0)) / 2
    return sides(pool, normalised(atoms), middle)


@metric
def atom_probe(atom_sides, modality):
    """Do atoms lie to the modality as their scores say? [0, 1], 1 = along the gap, or across it.

    Mean of acc for unimodal latents, 1.5 - acc for bimodal ones, and of the acc of each class at atoms. acc is the
    accuracy on the pool of the sign of ⟨x - b̄, d_i⟩, b̄ the mean of unit atoms weighted by energy, in the
    direction that the score says, for bimodal latents in the better one; 0 counts half.
    """
    return summary(atom_sides, modality)


@metric
def atom_probe_centred(atom_sides_centred, modality):
    """`atom_probe` with b̄ midway between the mean image and the mean text; [0, 1].

    An atom along the gap then separates two tight clouds whatever the other atoms are.
    """
    return summary(atom_sides_centred, modality)


def probe(image: Any, text: Any) -> Value:
    """Held-out accuracy of logistic regression on rows of two modalities, dense or sparse."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    rows, is_image, fitted = halves(image, text)
    if rows is None:
        return FEW
    if not np.isfinite(rows.data if hasattr(rows, "tocsr") else rows).all():
        return Value(None, note=BROKEN)
    square = rows.multiply(rows) if hasattr(rows, "tocsr") else np.square(rows)
    variance = (square[fitted].mean(0) - np.square(rows[fitted].mean(0))).mean()
    rows = rows / np.sqrt(variance) if variance > 0 else rows
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model = LogisticRegression(max_iter=1000).fit(rows[fitted], is_image[fitted])
        except ConvergenceWarning:
            return Value(None, int((~fitted).sum()), note="the probe did not converge")
    hits = model.predict(rows[~fitted]) == is_image[~fitted]
    return Value(float(hits.mean()), len(hits))


def halves(image: Any, text: Any) -> tuple[Any, Bool[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """(rows of both modalities or None, which are images, which are fitted)."""
    from scipy.sparse import vstack

    count = image.shape[0]
    is_image = np.repeat([True, False], count)
    fitted = np.tile(np.arange(count) % 2 == 0, 2)
    if count < 4:
        return None, is_image, fitted
    both = vstack([image, text], format="csr") if hasattr(image, "tocsr") else np.concatenate([image, text])
    return both, is_image, fitted


def auc(codes: Any, positive: Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " p"]:
    """Per column P(code on a positive row > on another), ties ½, from sparse codes."""
    codes = codes.tocoo()
    width = codes.shape[1]
    yes = positive[codes.coords[0]].astype(float)
    # One entry more per column stands for all rows without one: their code is 0.
    hits = np.bincount(codes.coords[1], yes, width)
    misses = np.bincount(codes.coords[1], 1 - yes, width)
    column = np.concatenate([codes.coords[1], np.arange(width)])
    value = np.concatenate([codes.data, np.zeros(width)])
    above = np.concatenate([yes, positive.sum() - hits])
    below = np.concatenate([1 - yes, (~positive).sum() - misses])
    order = np.lexsort((value, column))
    column, value, above, below = (part[order] for part in (column, value, above, below))
    new = np.concatenate([[True], (column[1:] != column[:-1]) | (value[1:] != value[:-1])])
    start = np.flatnonzero(new)
    above, below, column = np.add.reduceat(above, start), np.add.reduceat(below, start), column[start]
    before = np.cumsum(below) - below - column * (~positive).sum()  # every column has all negatives once
    wins = np.bincount(column, above * (before + below / 2), width)
    return wins / (positive.sum() * (~positive).sum())


def sides(
    pool, unit: Float[np.ndarray, "p dim"], origin: Float[np.ndarray, " dim"]
) -> Float[np.ndarray, " p"]:
    """[p] share of rows on the side of their modality, images where ⟨x - origin, d⟩ > 0; 0 counts half."""
    parts = []
    rows = len(pool.image.x) + len(pool.text.x)
    for start in range(0, len(unit), step := rows_per_block(rows)):
        part = unit[start : start + step].T
        image, text = (np.sign((side.x - origin) @ part).sum(0) for side in (pool.image, pool.text))
        parts.append((1 + (image - text) / rows) / 2)
    return np.concatenate(parts)


def summary(acc: Float[np.ndarray, " p"], modality) -> list[Value] | Value:
    """The mean score of classified latents, and the mean accuracy of each class."""
    directed = {"image": acc, "text": 1 - acc, "bimodal": np.maximum(acc, 1 - acc)}
    found = {part: values[modality.of(part)] for part, values in directed.items()}
    scores = np.concatenate([found["image"], found["text"], 1.5 - found["bimodal"]])
    if not len(scores):
        return dataclasses.replace(DEAD, note="no latent has a class")
    return [Value(float(scores.mean()), len(scores))] + [
        Value(float(values.mean()), len(values), {"atoms": part})
        if len(values)
        else Value(None, 0, {"atoms": part}, f"no {part} latent")
        for part, values in found.items()
    ]


FEW = Value(None, note="fewer than four pairs")
