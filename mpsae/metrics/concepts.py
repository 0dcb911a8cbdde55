"""Which latent stands for which class of a known factor. Every metric needs labels.

Held-out protocol: for each class the latent (and its threshold) is chosen on one half of the items
(pairs, or rows that are no pairs) and scored on the other, both ways round, and the two scores are
averaged. So the best of many latents is not best by luck: with shuffled labels (`..._null`) the same
protocol gives an AUROC of about 1/2 whatever the width. Only live latents are candidates, and where
several are equally good the score is the mean of theirs. A class needs members and others in both
halves; `count` is how many classes have them. Items of unknown class are left out. Pairs have the
sides image, text and both, other rows the one side rows.
"""

import numpy as np

from mpsae.bounds import check_table
from mpsae.metrics.base import Matrix, Value, metric, shared
from mpsae.metrics.labelled import SIDES, on_side
from mpsae.ranking import auroc, best_detectors, f1_of

EQUAL = 1e-9  # AUROCs that differ by less are equal: rounding
UNDECIDED = "no class has members and others in both halves"
DEAD = "no latent fires, or not with finite codes"


@shared
def areas(sides, factors):
    """AUROC [p, classes] of each latent on all sides together, by factor, from all items."""
    return {factor.name: _areas(sides, sides.whole, factor.label) for factor in factors}


@shared
def best_latents(sides, factors, areas):
    """By side and factor: [p, classes] bool, the live latents of largest AUROC from all items."""
    found = {}
    for factor in factors:
        for side in sides.codes:
            area = areas[factor.name] if side == sides.whole else _areas(sides, side, factor.label)
            found[side, factor.name] = _best(area, sides.live[side])
    return found


@metric
def concept_auroc(sides, factors, halves):
    """Mean over classes of the AUROC of the class's best latent, held out; [0, 1], at factor and side."""
    return [_auroc(sides, halves, factor, factor.label, side) for factor in factors for side in sides.codes]


@metric
def concept_auroc_null(sides, factors, halves):
    """`concept_auroc` with the labels shuffled; [0, 1], about 1/2: its random floor."""
    return [
        _auroc(sides, halves, factor, factor.shuffled, side) for factor in factors for side in sides.codes
    ]


@metric
def concept_f1(sides, factors, halves):
    """Mean over classes of the F1 of the best (latent, threshold > 0), held out; [0, 1], at factor, side."""
    return [_f1(sides, halves, factor, factor.label, side) for factor in factors for side in sides.codes]


@metric
def concept_f1_null(sides, factors, halves):
    """`concept_f1` with the labels shuffled; [0, 1], near the class's share of the items: its floor."""
    return [_f1(sides, halves, factor, factor.shuffled, side) for factor in factors for side in sides.codes]


@metric
def concept_latents(sides, best_latents, factors):
    """Distinct best latents of the classes, by AUROC on all sides, over classes; (0, 1], at factor.

    1 = one each. Several that are equally good for a class count as one.
    """
    found = []
    for factor in factors:
        best = best_latents[sides.whole, factor.name]
        best = best[:, best.any(0)]
        share = [len(np.unique(best, axis=1).T) / best.shape[1]] if best.size else []
        found.append(_mean(share, factor, count=best.shape[1]))
    return found


@shared
def paired_sides(pool, sides):
    """The Sides, of pairs only."""
    return sides


@metric
def concept_both(paired_sides, best_latents, factors):
    """Share of classes with a latent that is the best for images and for texts; [0, 1], at factor. Needs pairs."""
    return [_both(*(best_latents[side, factor.name] for side in SIDES), factor) for factor in factors]


@metric
def concept_both_null(paired_sides, factors):
    """`concept_both` with the labels shuffled; [0, 1]: its random floor. Needs pairs."""
    codes, live = paired_sides, paired_sides.live
    return [
        _both(*(_best(_areas(codes, side, factor.shuffled), live[side]) for side in SIDES), factor)
        for factor in factors
    ]


@metric
def concept_of_latent(sides, factors, areas):
    """[p, 2] factor (by place among sorted names) and class each latent stands for, -1 = dead; an array.

    The class of largest (AUROC - 1/2)·√(12 m(n-m)/(n+1)), m of n rows being members: in units of its
    own chance deviation up to the latent's ties, or rare classes would win by luck alone.
    """
    return Matrix(_concepts(sides, factors, areas))


@metric
def concept_level_share(sides, factors, areas):
    """Share of live latents that stand for a class of the factor (`concept_of_latent`); [0, 1], at factor.

    Taxonomy levels are factors. A latent that stands for nothing falls on a class at random: the floor
    is the factor's share of all classes.
    """
    chosen = _concepts(sides, factors, areas)[:, 0]
    live = chosen[chosen >= 0]
    note = UNDECIDED if sides.live[sides.whole].any() else DEAD
    return [_mean(live == number, factor, note=note) for number, factor in enumerate(factors)]


def _both(image, text, factor):
    used = image.any(0) & text.any(0)
    return _mean((image & text).any(0)[used], factor)


def _auroc(sides, halves, factor, label, side):
    live = sides.live[side]
    if not live.any():
        return _null(factor, side, DEAD)
    first, second = (_areas(sides, side, np.where(half, label, -1), factor.classes)[live] for half in halves)
    used = np.isfinite(first[0]) & np.isfinite(second[0])
    found = []
    for chosen, scored in ((first[:, used], second[:, used]), (second[:, used], first[:, used])):
        best = _best(chosen, np.ones(len(chosen), bool))
        found.append((best * scored).sum(0) / best.sum(0))
    return _mean(np.mean(found, axis=0), factor, side=side)


def _f1(sides, halves, factor, label, side):
    if not sides.live[side].any():
        return _null(factor, side, DEAD)
    parts = []
    for half in halves:
        items = half & (label >= 0)
        parts.append((sides.ranked(side, items), on_side(side, label[items])))
    found = [
        f1_of(*scored, factor.classes, best_detectors(*chosen, factor.classes))
        for chosen, scored in (parts, parts[::-1])
    ]
    sizes = np.array([np.bincount(label, minlength=factor.classes) for _, label in parts])
    used = ((sizes > 0) & (sizes < sizes.sum(1, keepdims=True))).all(0)
    return _mean(np.mean(found, axis=0)[used], factor, side=side)


def _areas(sides, side, label, classes=None):
    """AUROC [p, classes] of every latent for every class, from the items of known label."""
    items = label >= 0
    classes = int(label.max(initial=-1)) + 1 if classes is None else classes
    check_table(len(sides.live[side]), classes)
    member = on_side(side, label[items])[:, None] == np.arange(classes)
    return auroc(sides.ranked(side, items), member)


def _concepts(sides, factors, areas):
    live = sides.live[sides.whole]
    best, chosen = np.full(len(live), -np.inf), np.full((len(live), 2), -1)
    for number, factor in enumerate(factors):
        label = on_side(sides.whole, factor.label)
        members = np.bincount(label[label >= 0], minlength=factor.classes).astype(np.float64)
        rows = members.sum()
        height = (areas[factor.name] - 0.5) * np.sqrt(12 * members * (rows - members) / (rows + 1))
        height = np.where(live[:, None] & np.isfinite(height), height, -np.inf)
        if height.size == 0:
            continue
        top = height.max(1)
        better = top > best
        best[better] = top[better]
        chosen[better] = np.stack([np.full(len(live), number), height.argmax(1)], axis=1)[better]
    return chosen


def _best(area, live):
    """[p, classes] bool: live latents whose AUROC is the largest of the class; none where it is undefined."""
    height = np.where(live[:, None] & np.isfinite(area), area, -1.0)
    return (height >= height.max(0, initial=0.0) - EQUAL) & (height >= 0)


def _mean(values, factor, *, side=None, note=UNDECIDED, count=None):
    if not len(values):
        return _null(factor, side, note)
    return Value(float(np.mean(values)), len(values) if count is None else count, _at(factor, side))


def _null(factor, side, note):
    return Value(None, 0, _at(factor, side), note)


def _at(factor, side):
    return {"factor": factor.name} | ({} if side is None else {"side": side})
