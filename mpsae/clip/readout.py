"""What a straight line can read out of embeddings: factors, parents, pairs, and how trees lie in them."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

RIDGE = 1e-3  # of the mean variance, added to the shared covariance
QUERIES = 1000  # retrieval is among this many


# `mpsae.discriminant.Scatter` shrinks more, which moves the accuracies of the scenes by up to .004: both are kept.
class Discriminant:
    """Linear discriminant with equal priors: argmax over classes of x·Σ⁻¹μ - μ·Σ⁻¹μ / 2.

    μ are the class means and Σ the covariance within classes, pooled over all rows, plus
    `RIDGE` times its mean diagonal. Raises ValueError when a class up to the largest has no row.
    """

    def __init__(self, rows: Float[np.ndarray, "n dim"], classes: Int[np.ndarray, " n"]):
        rows, classes = np.asarray(rows, np.float64), np.asarray(classes)
        counts = np.bincount(classes)
        if not counts.all():
            raise ValueError(f"classes: none of the {len(classes)} rows is of class {np.argmin(counts)}")
        means = class_means(rows, classes)
        within = rows - means[classes]
        covariance = within.T @ within / len(rows)
        covariance += RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        self.weights = np.linalg.solve(covariance, means.T)
        self.offsets = -(means * self.weights.T).sum(1) / 2

    def __call__(self, rows: Float[np.ndarray, "n dim"]) -> Int[np.ndarray, " n"]:
        """The most likely class of each row."""
        return np.argmax(np.asarray(rows, np.float64) @ self.weights + self.offsets, axis=1)


def class_means(
    rows: Float[np.ndarray, "n dim"], classes: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "classes dim"]:
    """The mean row of each class, in float64."""
    rows = np.asarray(rows, np.float64)
    return np.stack([rows[classes == number].mean(0) for number in range(classes.max() + 1)])


def accuracies(
    fitted: Float[np.ndarray, "n dim"],
    fitted_labels: dict[str, Int[np.ndarray, " n"]],
    asked: Float[np.ndarray, "m dim"],
    asked_labels: dict[str, Int[np.ndarray, " m"]],
) -> dict[str, float]:
    """Per factor, the share of `asked` rows that a discriminant fitted on `fitted` gets right."""
    return {
        name: float((Discriminant(fitted, fitted_labels[name])(asked) == asked_labels[name]).mean())
        for name in fitted_labels
    }


def pairing(images: Float[np.ndarray, "n dim"], texts: Float[np.ndarray, "n dim"]) -> dict[str, float]:
    """How well unit rows of two modalities pair up, row i with row i.

    `image_to_text`, `text_to_image`: share of rows whose partner is nearest, a tie counting as a
    miss; `gap`: distance of the two means; `pair_cosine`: mean over pairs.
    """
    cosines = np.asarray(images, np.float64) @ np.asarray(texts, np.float64).T
    own = np.diag(cosines)
    return {
        "image_to_text": float(((cosines >= own[:, None]).sum(1) == 1).mean()),
        "text_to_image": float(((cosines >= own[None, :]).sum(0) == 1).mean()),
        "gap": float(np.linalg.norm(images.mean(0) - texts.mean(0))),
        "pair_cosine": float(own.mean()),
    }


def explained(rows: Float[np.ndarray, "n dim"], levels: list[Int[np.ndarray, " n"]]) -> list[float]:
    """Share of the total variance that each level adds; levels run from the top of a tree down.

    A level explains the variance of its class means around the class means of the level above
    (around the overall mean for the first): the sums of squares of a nested design.
    """
    rows = np.asarray(rows, np.float64)
    above = np.broadcast_to(rows.mean(0), rows.shape)
    total, shares = ((rows - above) ** 2).sum(), []
    for classes in levels:
        below = class_means(rows, classes)[classes]
        shares.append(float(((below - above) ** 2).sum() / total))
        above = below
    return shares


def offset_cosine(
    rows: Float[np.ndarray, "n dim"], above: Int[np.ndarray, " n"], below: Int[np.ndarray, " n"]
) -> float:
    """Mean |cos| between a child's offset from its parent and the parent's offset from the overall mean.

    Parents with a single child are left out, their child's offset being 0.
    """
    means, tops = class_means(rows, below), class_means(rows, above)
    parent = np.array([above[below == number][0] for number in range(len(means))])
    siblings = np.bincount(parent)
    centre, found = np.asarray(rows, np.float64).mean(0), []
    for child, top in enumerate(parent):
        if siblings[top] > 1:
            down, across = means[child] - tops[top], tops[top] - centre
            found.append(abs(down @ across) / (np.linalg.norm(down) * np.linalg.norm(across)))
    return float(np.mean(found))


TREES: dict[str, tuple[str, ...]] = {
    "kind": ("domain", "family", "kind"),
    "hue": ("warmth", "hue"),
    "texture": ("pattern", "texture"),
    "place": ("setting", "place"),
}


def trees(rows: Float[np.ndarray, "n dim"], labels: dict[str, Int[np.ndarray, " n"]]) -> dict[str, Any]:
    """Per tree of the scenes: variance share of each level, and |cos| of each level with the one above."""
    report = {}
    for name, levels in TREES.items():
        shares = explained(rows, [labels[level] for level in levels])
        steps = zip(levels, levels[1:], strict=False)
        report[name] = {
            "explained": dict(zip(levels, shares, strict=True)),
            "cosine": {below: offset_cosine(rows, labels[above], labels[below]) for above, below in steps},
        }
    return report
