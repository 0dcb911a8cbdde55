"""Paired worlds from dials: how many concepts of which kind, how often, how strong, how far apart."""

import dataclasses
import math

import jax
import numpy as np
from jaxtyping import Array, Float

from synthetic.packing import haar, orthogonal_unit, tight
from synthetic.paired import NORMS, PairedWorld, paired_world

CHOICES = {
    "magnitudes": ("coupled", "independent"),
    "packing": ("orthonormal", "haar", "tight"),
    "content": ("raw", "centred"),
    "norm": tuple(NORMS),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dials:
    """What a paired world is made from; the defaults are the preset `clean`."""

    dim: int = 64
    shared: int = 24  # concepts of both modalities
    image_only: int = 16
    text_only: int = 16
    presence: float = 0.1  # P(a concept is in the pair)
    omission: float = 0.0  # P(shown | present) runs from 1 - omission to 1, in its own order per modality
    kappa: float = 0.3  # standard deviation of the magnitudes, whose mean is 1
    magnitudes: str = "coupled"  # a shared concept is as strong in both modalities, or "independent"
    image_gain: float = 1.0  # root mean square gain of the shared concepts in images
    text_gain: float = 1.0  # and in texts
    image_only_gain: float = 1.0
    text_only_gain: float = 1.0
    decay: float = 0.0  # squared gains ∝ rank^-decay among the concepts of one kind
    theta: float = 0.0  # angle between the image and the text direction of a shared concept; 0: one feature
    packing: str = "orthonormal"  # "haar": random, "tight": as far apart as dim allows
    delta: float = 0.0  # distance between the modalities that no concept explains
    common: float = 0.0  # length of a vector that is added to every row
    noise: float = 0.0  # standard deviation per coordinate
    content: str = "raw"  # "centred": takes the mean of the concepts' part off each modality
    norm: str = "free"  # "unit": every row is divided by its length

    @property
    def directions(self) -> int:
        """How many directions the concepts need: two for a shared one if theta > 0."""
        return self.shared * (2 if self.theta > 0 else 1) + self.image_only + self.text_only

    def check(self) -> None:
        """Refuse, by ValueError, dials of which no world can be made."""
        for name, low in (("dim", 2), ("shared", 0), ("image_only", 0), ("text_only", 0)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} = {getattr(self, name)}: must be at least {low}")
        if self.shared + min(self.image_only, self.text_only) < 1:
            raise ValueError(
                f"shared = {self.shared}, image_only = {self.image_only}, text_only = {self.text_only}:"
                " must give each modality a concept"
            )
        for name, good, allowed in [
            ("presence", 0 < self.presence <= 1, "a probability above 0, at most 1"),
            ("omission", 0 <= self.omission < 1, "at least 0 and below 1"),
            ("kappa", self.kappa == 0 or 1e-3 <= self.kappa <= 1, "0, or from 0.001 to 1"),
            ("theta", 0 <= self.theta <= math.pi, "an angle from 0 to pi"),
        ]:
            if not good:
                raise ValueError(f"{name} = {getattr(self, name)}: must be {allowed}")
        for name in ("image_gain", "text_gain", "image_only_gain", "text_only_gain"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} = {getattr(self, name)}: must be a finite number above 0")
        for name in ("decay", "delta", "common", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} = {getattr(self, name)}: must be a finite number, at least 0")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} = {getattr(self, name)!r}: must be one of {', '.join(choices)}")
        if self.packing == "orthonormal" and self.directions > self.dim:
            raise ValueError(
                f"dim = {self.dim}: must be at least {self.directions}, the number of directions,"
                " if packing is orthonormal; haar and tight take more directions than dim"
            )


def paired(key: Array, dials: Dials) -> PairedWorld:
    """The world of these dials; features are the shared concepts, image-only, text-only.

    With theta > 0 the image directions of the shared concepts come first, then their text
    directions: (d^I, d^T) = cos(θ/2) b ± sin(θ/2) w on orthonormal b, w of each concept.
    Modalities stand at ±½ delta v + common g, v and g unit, orthogonal to the concepts and to
    each other where dim leaves room. Raises ValueError as `Dials.check`.
    """
    dials.check()
    rows_key, shown_key, place_key, mean_key = jax.random.split(key, 4)
    shared, private = _directions(rows_key, dials)
    common, total = np.arange(dials.shared), dials.shared + dials.image_only + dials.text_only
    twice = [common, common] if dials.theta > 0 else [common]
    concept = np.concatenate([*twice, np.arange(dials.shared, total)])
    draw = np.stack([concept, concept])
    if dials.magnitudes == "independent":
        draw[1] += total
    atoms = np.concatenate([*_rotated(shared, dials.theta), private])
    shown, gain = _strengths(shown_key, dials)
    place = _places(place_key, np.concatenate([shared.reshape(-1, dials.dim), private]), dials)
    if dials.content == "centred":
        place = place - (dials.presence * shown * gain) @ atoms
    return paired_world(
        mean_key,
        atoms=atoms,
        concept=concept,
        present=np.full(len(atoms), dials.presence),
        shown=shown,
        gain=gain,
        draw=draw,
        kappa=dials.kappa,
        place=place,
        noise_std=[dials.noise, dials.noise],
        norm=dials.norm,
    )


def _directions(
    key: Array, dials: Dials
) -> tuple[Float[np.ndarray, "shared rows dim"], Float[np.ndarray, "private dim"]]:
    """Orthonormal rows per shared concept, one or (theta > 0) two, and a unit row per private one."""
    rows, private = (2 if dials.theta > 0 else 1), dials.image_only + dials.text_only
    fits = dials.directions <= dials.dim
    if dials.packing == "orthonormal" or (dials.packing == "tight" and fits):
        together = haar(key, 1, dials.directions, dials.dim)[0]
        return together[: dials.shared * rows].reshape(-1, rows, dials.dim), together[dials.shared * rows :]
    shared_key, private_key = jax.random.split(key)
    groups = [haar(shared_key, dials.shared, rows, dials.dim), haar(private_key, private, 1, dials.dim)]
    both, single = tight(groups) if dials.packing == "tight" else groups
    return both, single[:, 0]


def _rotated(shared: np.ndarray, theta: float) -> list[np.ndarray]:
    """The image directions and the text directions, one list if they agree."""
    if theta == 0:
        return [shared[:, 0]]
    base, private = math.cos(theta / 2) * shared[:, 0], math.sin(theta / 2) * shared[:, 1]
    return [base + private, base - private]


def _strengths(key: Array, dials: Dials) -> tuple[np.ndarray, np.ndarray]:
    """(P(shown | present), gain), [2, features] each, 0 where a modality never has the feature."""
    orders = [np.asarray(jax.random.permutation(part, dials.shared)) for part in jax.random.split(key)]
    alpha, beta = np.linspace(1 - dials.omission, 1, dials.shared)[np.stack(orders)]
    image = _gains(dials.image_gain, dials.shared, dials.decay)
    text = _gains(dials.text_gain, dials.shared, dials.decay)
    kinds = [(alpha, beta, image, text)]
    if dials.theta > 0:
        kinds = [(alpha, 0 * beta, image, 0 * text), (0 * alpha, beta, 0 * image, text)]
    only = _gains(dials.image_only_gain, dials.image_only, dials.decay)
    kinds.append((np.ones(len(only)), np.zeros(len(only)), only, 0 * only))
    only = _gains(dials.text_only_gain, dials.text_only, dials.decay)
    kinds.append((np.zeros(len(only)), np.ones(len(only)), 0 * only, only))
    alpha, beta, image, text = (np.concatenate(part) for part in zip(*kinds, strict=True))
    return np.stack([alpha, beta]), np.stack([image, text])


def _gains(gain: float, count: int, decay: float) -> np.ndarray:
    """Gains of this root mean square, squares ∝ rank^-decay."""
    energy = np.arange(1.0, count + 1) ** -decay
    return gain * np.sqrt(energy * count / energy.sum()) if count else energy


def _places(key: Array, rows: np.ndarray, dials: Dials) -> Float[np.ndarray, "2 dim"]:
    apart_key, common_key = jax.random.split(key)
    apart = orthogonal_unit(apart_key, rows)
    common = orthogonal_unit(common_key, np.concatenate([rows, apart[None]]))
    return np.array([[0.5], [-0.5]]) * dials.delta * apart + dials.common * common
