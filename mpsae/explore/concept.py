"""What an atom stands for where labels are known, and the atom that may have lost rows to it."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mpsae.metrics.concepts import areas, concept_of_latent
from mpsae.metrics.labelled import Factor, Sides
from mpsae.store.labels import Labels


class Concepts(NamedTuple):
    """Of each atom a class of a factor (places in `names`, -1 = dead) and how well it tells it.

    `partner`: the atom that best tells the parent of that class, -1 where the class has none or it
    is the atom itself. Of the rows of the class on which the atom fires, `silent` is the share on
    which the partner does not; `usual` is that share over all rows of the parent. Silent well
    above usual: the atom has absorbed rows of its parent.
    """

    names: list[tuple[str, str]]  # (factor, class)
    chosen: Int[np.ndarray, " p"]
    auroc: Float[np.ndarray, " p"]
    partner: Int[np.ndarray, " p"]
    silent: Float[np.ndarray, " p"]
    usual: Float[np.ndarray, " p"]


def concepts(
    image: Any, text: Any, labels: Labels, of: dict[str, Int[np.ndarray, " pairs"]]
) -> Concepts | None:
    """The class an atom tells best, as `concept_of_latent` chooses it; None where nothing is known.

    image, text: scipy.sparse codes [pairs, p], row j of one belongs to row j of the other; `of` {factor:
    class of each pair}.
    """
    factors = [Factor(name, label, label) for name, label in sorted(of.items()) if (label >= 0).any()]
    if not factors:
        return None
    sides = Sides({"image": image, "text": text})
    found = areas(sides, factors)
    place = concept_of_latent(sides, factors, found).array
    names = [(factor.name, number) for factor in factors for number in range(factor.classes)]
    table = np.concatenate([found[factor.name] for factor in factors], axis=1)
    begins = np.cumsum([0, *(factor.classes for factor in factors)])
    chosen = np.where(place[:, 0] >= 0, begins[place[:, 0]] + place[:, 1], -1)
    auroc = np.where(chosen >= 0, table[np.arange(len(table)), chosen], np.nan)
    above = [_above(name, number, labels, names) for name, number in names]
    live = sides.live["both"]
    best = np.where(live[:, None] & np.isfinite(table), table, -1.0).argmax(0)
    parent = np.where(chosen >= 0, np.array(above)[chosen], -1)
    partner = np.where(parent >= 0, best[parent], -1)
    partner[partner == np.arange(len(partner))] = -1
    members = {
        number: np.tile(of[names[number][0]] == names[number][1], 2)
        for number in {*chosen[partner >= 0].tolist(), *parent[partner >= 0].tolist()}
    }
    on = sides.codes["both"].astype(bool).tocsc()
    silent, usual = np.full((2, len(live)), np.nan)
    for atom in np.flatnonzero(partner >= 0):
        spoke = _column(on, partner[atom])
        rows = members[chosen[atom]] & _column(on, atom)
        silent[atom] = 1 - spoke[rows].mean() if rows.any() else np.nan
        usual[atom] = 1 - spoke[members[parent[atom]]].mean()
    spelt = [(name, labels.classes[name][number]) for name, number in names]
    return Concepts(spelt, chosen, auroc, partner, silent, usual)


def _above(name, number, labels, names):
    """The place in `names` of the class above a class, -1 at the top or where it is not among them."""
    if name not in labels.trees:
        return -1
    tree = labels.trees[name]
    place = (tree.parent, int(tree.parents[number]))
    return names.index(place) if place in names else -1


def _column(on, atom):
    found = np.zeros(on.shape[0], bool)
    found[on.indices[on.indptr[atom] : on.indptr[atom + 1]]] = True
    return found
