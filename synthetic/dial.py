"""Superposed hierarchies from dials: geometry and firing move independently of each other."""

import dataclasses
import math

import jax
import numpy as np
from jaxtyping import Array, Float

from synthetic.clan_gram import PACKINGS, clan_atoms, clan_gram, refuse_gram, shuffled_roles
from synthetic.clan_trees import SIBLINGS, Tree, clan_tree
from synthetic.clans import COUPLINGS, LAWS, ClanWorld, clan_world
from synthetic.packing import orthogonal_unit

MEAN = 1.5  # magnitude of a top
WIDEST = 0.25  # coefficient of variation up to which a normal law is clipped less than once in 30 000
LINKS = ("aligned", "shuffled", "off")
CHOICES = {
    "link": LINKS,
    "packing": PACKINGS,
    "siblings": SIBLINGS,
    "law": tuple(LAWS),
    "coupling": COUPLINGS,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dials:
    """What a world of clans is made from; the defaults are the preset S. p = clans · nodes of the tree."""

    dim: int = 64
    clans: int = 16
    tree: str = "paper"  # of every clan: the paper's 20 nodes, or sizes by level such as "4x3x2"
    branch: float = 0.6  # P(some child | parent), shared by the children
    skew: float = 0.0  # share of the sibling of rank r ∝ r^-skew
    # geometry
    correlation: float = 0.3  # cosine of siblings, the parent's direction removed
    parent_cosine: float = 0.0  # of child and parent; 0 is conditionally orthogonal
    link: str = "aligned"  # "shuffled": directions of other nodes of the clan, "off": all orthogonal in it
    packing: str = "haar"  # of clans that dim cannot hold: at random, or "tight": least interference
    # firing
    rate: float = 0.25  # P(a clan is active), the mean over clans
    zipf: float = 0.0  # rate of the clan of rank r ∝ r^-zipf
    hierarchy: float = 1.0  # P(a clan fires as a tree), 0: independent nodes with the same marginals
    siblings: str = "exclusive"
    # magnitudes
    law: str = "normal"  # clipped at 0; "gamma" is positive for any coefficient of variation up to 1
    kappa: float = 1 / 6  # coefficient of variation of each node on its own
    shared_kappa: float = 0.0  # of a factor that all nodes of a clan have in common
    level_ratio: float = 1.0  # mean magnitude 1.5 · ratio^level
    coupling: str = "none"  # "parent": a child is scaled by the draw of its parent
    # input
    noise: float = 0.0  # E‖noise‖² / E‖zD‖²
    offset: float = 0.0  # length of a constant vector over √E‖zD‖²

    @property
    def clan_tree(self) -> Tree:
        """The tree of every clan."""
        return clan_tree(self.tree, branch=self.branch, skew=self.skew, siblings=self.siblings)

    @property
    def rates(self) -> Float[np.ndarray, " clans"]:
        """P(active) of each clan."""
        weight = np.arange(1.0, self.clans + 1) ** -self.zipf
        return self.rate * weight / weight.mean()

    @property
    def gram(self) -> Float[np.ndarray, "nodes nodes"]:
        """The cosines asked for inside a clan, in the order of the tree of directions."""
        return clan_gram(self.clan_tree, **self._angles())

    def check(self) -> None:
        """Refuse, by ValueError, dials of which no world can be made."""
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} = {getattr(self, name)!r}: must be one of {', '.join(choices)}")
        for name, good, allowed in [
            ("clans", self.clans >= 1, "at least 1"),
            ("branch", 0 < self.branch <= 1, "a probability above 0, at most 1"),
            ("rate", 0 < self.rate <= 1, "a probability above 0, at most 1"),
            ("hierarchy", 0 <= self.hierarchy <= 1, "a probability, from 0 to 1"),
            ("level_ratio", 0 < self.level_ratio < math.inf, "a finite number above 0"),
        ]:
            if not good:
                raise ValueError(f"{name} = {getattr(self, name)}: must be {allowed}")
        for name in ("skew", "zipf", "noise", "offset"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} = {getattr(self, name)}: must be a finite number, at least 0")
        for name in ("kappa", "shared_kappa"):
            self._check_law(name, getattr(self, name))
        if not self.rates[0] <= 1:
            raise ValueError(
                f"rate = {self.rate}, zipf = {self.zipf}: the first clan would be active with probability"
                f" {self.rates[0]:.3g}: must be at most 1"
            )
        tree = self.clan_tree
        if self.dim < len(tree.parent):
            raise ValueError(
                f"dim = {self.dim}: must be at least {len(tree.parent)}, the nodes of one clan, whose"
                " Gram matrix is exact and needs independent atoms"
            )
        refuse_gram(tree, correlation=self.correlation, parent_cosine=self.parent_cosine)

    def _check_law(self, name: str, value: float) -> None:
        if self.law == "normal" and not 0 <= value <= WIDEST:
            raise ValueError(
                f"{name} = {value}: must be from 0 to {WIDEST} for law normal, which is clipped at 0"
                " beyond; law gamma takes more"
            )
        if self.law == "gamma" and not (value == 0 or 1e-3 <= value <= 1):
            raise ValueError(f"{name} = {value}: must be 0, or from 0.001 to 1 for law gamma")

    def _angles(self) -> dict[str, float]:
        if self.link == "off":
            return {"correlation": 0.0, "parent_cosine": 0.0}
        return {"correlation": self.correlation, "parent_cosine": self.parent_cosine}


def dial(key: Array, dials: Dials) -> ClanWorld:
    """The world of these dials; features are in the order of the firing tree, clan after clan.

    With link `shuffled` the feature i has the direction that belongs to `role[i]`. Dials of
    geometry change no firing and dials of firing no direction, bit for bit. Raises ValueError as
    `Dials.check`, and where float32 atoms miss the Gram matrix.
    """
    dials.check()
    atoms_key, role_key, place_key = jax.random.split(key, 3)
    tree = dials.clan_tree
    atoms = clan_atoms(atoms_key, dials.gram, clans=dials.clans, dim=dials.dim, packing=dials.packing)
    role = np.tile(np.arange(len(tree.parent)), (dials.clans, 1))
    if dials.link == "shuffled":
        role = shuffled_roles(role_key, tree, dials.clans)
    return clan_world(
        tree,
        atoms=np.take_along_axis(atoms, role[:, :, None], axis=1),
        role=role,
        rate=dials.rates,
        hierarchy=dials.hierarchy,
        size=MEAN * dials.level_ratio**tree.level,
        law=dials.law,
        kappa=dials.kappa,
        shared_kappa=dials.shared_kappa,
        coupling=dials.coupling,
        noise=dials.noise,
        place=dials.offset * orthogonal_unit(place_key, np.empty((0, dials.dim))),
    )
