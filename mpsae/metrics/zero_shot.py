"""Naming an image by texts alone: the class whose texts point nearest to it.

A class is the mean direction of the texts of its pairs in one half of the pool; every image of the other
half gets the class of highest cosine. No image and no pairing of the first half is used, as in zero-shot
classification with class names, whose prompts the captions stand for here. Of a tree of factors the
finest is asked for. A row of zeros, or a tie, names nothing.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from mpsae.labels import Labels
from mpsae.metrics.base import Value, metric
from mpsae.metrics.labelled import Factor
from mpsae.metrics.retrieval import EQUAL
from mpsae.overlap import normalised

Rows = Float[np.ndarray, "N dim"]


@metric
def zero_shot_x(pool, factors, labels, halves):
    """Share of images whose class the texts of x name, at factor; [0, 1], dimensionless."""
    return [named_by_texts(pool.image.x, pool.text.x, f, halves, {}) for f in finest(factors, labels)]


@metric
def zero_shot_xhat(pool, factors, labels, halves):
    """Share of images whose class the texts of x̂ name, at factor; [0, 1], dimensionless."""
    return [named_by_texts(pool.image.xhat, pool.text.xhat, f, halves, {}) for f in finest(factors, labels)]


def finest(factors: list[Factor], labels: Labels) -> list[Factor]:
    """The factors that are no other's parent."""
    coarser = dict(labels.parent).values()
    return [factor for factor in factors if factor.name not in coarser]


def named_by_texts(
    image: Rows, text: Rows, factor: Factor, halves: Bool[np.ndarray, "2 N"], at: dict[str, str]
) -> Value:
    """The share of images named right, at factor beside `at`; the count is of images."""
    place: dict[str, float | str] = {**at, "factor": factor.name}
    told, asked = (half & (factor.label >= 0) for half in halves)
    classes, directions = prototypes(text, factor.label, told)
    asked &= np.isin(factor.label, classes)
    if len(classes) < 2 or not asked.any():
        return Value(None, 0, place, "fewer than two classes with texts, or no image of them")
    likeness = normalised(image[asked]) @ directions.T
    right = classes == factor.label[asked][:, None]
    own, other = likeness[right], np.where(right, -np.inf, likeness).max(1)
    return Value(float((own > other + EQUAL).mean()), int(asked.sum()), place)


def prototypes(
    text: Rows, label: Int[np.ndarray, " N"], told: Bool[np.ndarray, " N"]
) -> tuple[Int[np.ndarray, " classes"], Float[np.ndarray, "classes dim"]]:
    """The classes among the rows `told`, and the direction of the mean unit text of each."""
    classes, unit = np.unique(label[told]), normalised(text)
    means = [unit[told & (label == one)].mean(0) for one in classes]
    return classes, normalised(np.stack(means)) if means else np.zeros((0, text.shape[1]))
