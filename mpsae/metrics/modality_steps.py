"""Modality along a pursuit: what each step takes, and the scores without the first step.

Entries are those of the steps, before repeats are merged. Dropping the first step is a control for
centring: on data with a common offset the first atom chosen is often a mean, of all rows or of
one modality, and it alone may decide an energy-weighted score.
"""

import jax.numpy as jnp
import numpy as np

from mpsae.metrics.base import Value, metric, ratio, shared, statistic
from mpsae.metrics.modality import Scores, energy_of, scored, spread, weighted
from mpsae.pairs import split


@statistic(needs=("pairs", "steps"))
def sum_steps(b):
    """[3, T, p] per step and latent: Σ z_t² over images, over texts, and the number of selections."""

    def table(indices, entries):
        count = indices.shape[1]
        return jnp.zeros((count, len(b.atoms))).at[jnp.arange(count), indices].add(entries)

    indices, values = b.steps
    image, text = split((indices, jnp.square(values)))
    return jnp.stack([table(*image), table(*text), table(indices, (values != 0).astype(jnp.float32))])


@shared
def modality_after_first(sum_steps, atoms):
    """The Scores of the code without its first step."""
    return scored(*sum_steps[:, 1:].sum(1), atoms)


@shared
def step_energies(sum_steps, atoms):
    """[T, p] Σ over rows of (z_t ‖d_i‖)²."""
    return sum_steps[:2].sum(0) * np.square(atoms).sum(1)


@metric
def step_energy(step_energies, sst_dim, mean_dim, n):
    """Σ (z_t ‖d‖)² / Σ‖x‖² over rows, at step = 1, 2, ...; >= 0: share of the energy taken by a step."""
    total = sst_dim.sum() + n * np.square(mean_dim).sum()
    if total == 0:
        return Value(None, int(n), note="every row of x is 0")
    return [
        Value(float(energy.sum() / total), int(n), {"step": t + 1}) for t, energy in enumerate(step_energies)
    ]


@metric
def step_modality(step_energies, modality):
    """Mean of µ over the atoms that step t chooses, weighted by energy, at step = 1, 2, ...; [0, 1]."""
    return by_step(step_energies, modality, modality.share)


@metric
def step_bimodality(step_energies, modality):
    """Mean of 1 - 2|µ - ½| over the atoms of step t, weighted by energy, at step = 1, 2, ...; [0, 1].

    µ is the score of the whole code; 1 = atoms of both modalities alike, 0 = atoms of one.
    """
    return by_step(step_energies, modality, 1 - 2 * np.abs(modality.share - 0.5))


@metric
def energy_image_after_first(modality_after_first):
    """`energy_image` of the code without its first pursuit step; [0, 1]."""
    return later(energy_of, modality_after_first, "image")


@metric
def energy_text_after_first(modality_after_first):
    """`energy_text` of the code without its first pursuit step; [0, 1]."""
    return later(energy_of, modality_after_first, "text")


@metric
def energy_bimodal_after_first(modality_after_first):
    """`energy_bimodal` of the code without its first pursuit step; [0, 1]."""
    return later(energy_of, modality_after_first, "bimodal")


@metric
def sigma_half_after_first(modality_after_first):
    """`sigma_half` of the code without its first pursuit step; [0, ½]."""
    return later(spread, modality_after_first)


@metric
def modality_distance_energy_after_first(modality_after_first):
    """`modality_distance_energy` of the code without its first pursuit step; [0, ½]."""
    return later(weighted, modality_after_first, np.abs(modality_after_first.share - 0.5))


def by_step(energies, scores: Scores, entries: np.ndarray) -> list[Value]:
    """The energy-weighted mean of the entries of the atoms that each step chooses."""
    rows = []
    for t, energy in enumerate(energies):
        used = (energy > 0) & scores.alive
        mean = ratio(energy[used] @ entries[used], energy[used].sum(), count=int(used.sum()))
        rows.append(Value(mean.value, mean.count, {"step": t + 1}, mean.note and "never taken"))
    return rows


def later(function, scores: Scores, *arguments) -> Value:
    """A summary of the later steps, null where there are none."""
    if not scores.alive.any():
        return Value(None, 0, note="no step after the first")
    return function(scores, *arguments)
