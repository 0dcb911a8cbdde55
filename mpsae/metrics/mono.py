"""How alike the rows are that one latent fires on: by labels, by a class tree. Needs labels.

Sides are image and text where rows are pairs, else rows. Activation means |code|. Means are over live
latents, `count` is how many; a latent for which the formula is 0/0 is left out. `..._null` is the same with
the labels shuffled: what chance gives.
"""

import numpy as np

from mpsae.metrics.base import Value, metric, shared
from mpsae.metrics.labelled import leaf_trees
from mpsae.ranking import Ranked

TOP, LEAST = 20, 10  # rows of `label_entropy`, and how many of them must be active
UNDEFINED = "no latent for which it is defined"


@shared
def trees(factors, labels):
    """The Tree of every factor that is no other factor's parent or has a graph of its own."""
    return leaf_trees(factors, labels)


@metric
def mono(parts, trees):
    """Mean over latents of fᵀΔf / ‖f‖², f_i the mean activation on class i, Δ edges between classes.

    Edges, [0, largest eigenvalue of Δ], scale free; 0 = one class; at factor and side. Δ is the shortest
    path in the factor's class graph (`mpsae.class_graph`), else in the tree of its coarser factors, with a
    root above the coarsest. It grows with the number of classes: `mono1` does not.
    """
    return _by_tree(parts, trees, _codes, squared)


@metric
def mono1(parts, trees):
    """Mean over latents of fᵀΔf / (Σf)², the expected distance of two labels drawn by f; edges, [0, max Δ]."""
    return _by_tree(parts, trees, _codes, linear)


@metric
def mono_null(parts, trees):
    """`mono` with the labels shuffled; edges, [0, largest eigenvalue of Δ]."""
    return _by_tree(parts, trees, _codes, squared, shuffled=True)


@metric
def mono1_null(parts, trees):
    """`mono1` with the labels shuffled; edges, [0, max Δ]."""
    return _by_tree(parts, trees, _codes, linear, shuffled=True)


@metric
def mono_neurons(parts, trees):
    """`mono` of the coordinates of x, each as two neurons, x₊ and (-x)₊; edges, [0, largest eigenvalue of Δ]."""
    return _by_tree(parts, trees, _neurons, squared)


@metric
def mono1_neurons(parts, trees):
    """`mono1` of the coordinates of x, each as two neurons, x₊ and (-x)₊; edges, [0, max Δ]."""
    return _by_tree(parts, trees, _neurons, linear)


@metric
def mono1_gain(parts, trees):
    """`mono1_neurons` - `mono1`: how much nearer a latent's classes are than a neuron's; edges, [-max Δ, max Δ]."""
    return _less(_by_tree(parts, trees, _neurons, linear), _by_tree(parts, trees, _codes, linear))


@metric
def mono1_lift(parts, trees):
    """`mono1_null` - `mono1`: how much nearer the classes of a latent are than by chance; edges, [-max Δ, max Δ].

    A latent that fires on few rows has near classes whatever they are; what chance gives it is taken off here.
    """
    return _less(
        _by_tree(parts, trees, _codes, linear, shuffled=True), _by_tree(parts, trees, _codes, linear)
    )


@metric
def label_entropy(parts, factors):
    """Mean over latents of -Σ p_c ln p_c, p_c the activation of class c on the 20 rows of most; nats, [0, ln 20].

    Only latents active on at least 10 rows of known class; at factor and side.
    """
    return _entropies(parts, factors, shuffled=False)


@metric
def label_entropy_null(parts, factors):
    """`label_entropy` with the labels shuffled; nats, [0, ln 20]."""
    return _entropies(parts, factors, shuffled=True)


def squared(f: np.ndarray, between: np.ndarray) -> np.ndarray:
    """fᵀΔf / ‖f‖² of each row of f [p, classes]."""
    return ((f @ between) * f).sum(1) / np.square(f).sum(1)


def linear(f: np.ndarray, between: np.ndarray) -> np.ndarray:
    """fᵀΔf / (Σf)² of each row of f [p, classes]."""
    return ((f @ between) * f).sum(1) / np.square(f.sum(1))


def entropies(ranked: Ranked, label: np.ndarray) -> np.ndarray:
    """[p] entropy of the classes of each latent's `TOP` rows by value, NaN below `LEAST` of them."""
    kept = (ranked.place < TOP) & (ranked.value > 0)
    weight = np.zeros((ranked.width, int(label.max(initial=0)) + 1))
    np.add.at(weight, (ranked.latent[kept], label[ranked.row[kept]]), ranked.value[kept])
    total = weight.sum(1, keepdims=True)
    weight /= np.where(total > 0, total, 1.0)
    found = -np.where(weight > 0, weight * np.log(np.where(weight > 0, weight, 1.0)), 0.0).sum(1)
    return np.where(np.bincount(ranked.latent[kept], minlength=ranked.width) >= LEAST, found, np.nan)


def _by_tree(parts, trees, activations, formula, *, shuffled=False):
    found = []
    for tree in trees:
        label = tree.shuffled if shuffled else tree.label
        known = label >= 0
        one_hot = np.eye(len(tree.between))[label[known]]
        count = np.maximum(one_hot.sum(0), 1)
        for side, rows in parts.sides.items():
            f = activations(rows)[known].T @ one_hot / count
            found.append(_mean(formula(f, tree.between), {"factor": tree.name, "side": side}))
    return found


def _entropies(parts, factors, *, shuffled):
    found = []
    for side, rows in parts.sides.items():
        codes = _codes(rows)
        ranked = {}  # most factors are known of the same items
        for factor in factors:
            label = factor.shuffled if shuffled else factor.label
            known = label >= 0
            if known.tobytes() not in ranked:
                ranked[known.tobytes()] = Ranked(codes[np.flatnonzero(known)])
            values = entropies(ranked[known.tobytes()], label[known])
            found.append(_mean(values, {"factor": factor.name, "side": side}))
    return found


def _codes(rows):
    return abs(rows.z.tocsr())


def _less(first, second):
    """first - second, point by point."""
    return [
        Value(None, one.count, one.at, one.note or other.note)
        if one.value is None or other.value is None
        else Value(one.value - other.value, other.count, one.at)
        for one, other in zip(first, second, strict=True)
    ]


def _neurons(rows):
    return np.maximum(np.concatenate([rows.x, -rows.x], axis=1), 0)


def _mean(values, at):
    values = values[np.isfinite(values)]
    return Value(
        float(values.mean()) if len(values) else None, len(values), at, None if len(values) else UNDEFINED
    )
