"""A world of clans: copies of one tree that fire independently, in a space that need not hold them all."""

from collections.abc import Callable
from typing import Any

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.special import ndtr

from synthetic.clan_gram import cross_rms
from synthetic.clan_trees import Tree
from synthetic.gamma import unit_gamma
from synthetic.world import intervals


class ClanWorld(struct.PyTreeNode):
    """Copies of one tree, the law of their firing, and samples x = z D + offset + noise.

    Per sample a clan fires as a tree with probability `hierarchy`: it is active with its
    `rate`, an active clan draws its tops, and a child fires if its parent does and its
    own gate is open, as in `synthetic.world.World`. Else its nodes fire independently with the same
    marginals. A node on has the coefficient µ_i · s · g_i, s one factor per clan and
    sample, g one per node and sample, both of mean 1, with standard deviations
    `shared_kappa` and `kappa`; where `coupling` is parent, times the g of all its ancestors.

    Worlds of one shape that differ in seed, geometry, rates or laws' numbers stack leaf by leaf; those
    with a purely hierarchical firing (`hierarchy` 1) draw fewer numbers and are of another shape.
    """

    atoms: Float[Array, "features dim"]  # unit rows, clan after clan
    parent: Int[Array, " features"]  # in firing; -1 for a top
    level: Int[Array, " features"]
    group: Int[Array, " features"]  # siblings of one clan share it, and the tops of one clan
    clan: Int[Array, " features"]
    role: Int[Array, " features"]  # the feature whose place in the tree of directions this one has
    prob: Float[Array, " features"]  # P(z_i > 0), exact
    mean: Float[Array, " features"]  # E(z_i | z_i > 0), exact
    cv: Float[Array, " features"]  # standard deviation over mean of z_i given z_i > 0, exact
    second: Float[Array, "clans nodes nodes"]  # E z_i z_j inside each clan, exact
    offset: Float[Array, " dim"]
    noise_std: Float[Array, ""]
    true_l0: Float[Array, ""]  # E[number of z_i > 0], exact
    rate: Float[Array, " features"]  # P(its clan is active)
    alone: Float[Array, " features"]  # P(fires) where the clan fires as no tree, the same as where it does
    hierarchy: Float[Array, ""]
    size: Float[Array, " features"]  # µ_i
    kappa: Float[Array, ""]
    shared_kappa: Float[Array, ""]
    low: Float[Array, " features"]
    high: Float[Array, " features"]
    clans: int = struct.field(pytree_node=False)
    depth: int = struct.field(pytree_node=False)
    # Of the nodes of any clan. Static, as gathers by traced indices took four times as long as all the rest.
    parents: tuple[int, ...] = struct.field(pytree_node=False)  # -1 for a top
    draw: tuple[int, ...] = struct.field(pytree_node=False)  # of [low, high): exclusive siblings share it
    own: tuple[int, ...] = struct.field(pytree_node=False)  # of g, and of the gate of a node that fires alone
    law: str = struct.field(pytree_node=False)
    coupling: str = struct.field(pytree_node=False)

    def sample(self, key: Array, n: int) -> tuple[Float[Array, "n dim"], Float[Array, "n features"]]:
        """n samples x [n, dim] and their codes z [n, features]; pure in (world, key)."""
        gate_key, size_key, noise_key = jax.random.split(key, 3)
        codes = jnp.where(self.fires(gate_key, n), self.sizes(size_key, n), 0.0).T
        clean = jnp.matmul(codes, self.atoms, precision=jax.lax.Precision.HIGHEST)
        x = jax.lax.cond(self.noise_std > 0, _noisy, _clean, clean + self.offset, self.noise_std, noise_key)
        return x, codes

    def fires(self, key: Array, n: int) -> Bool[Array, "features n"]:
        """Which nodes are on in n samples."""
        clan_key, node_key = jax.random.split(key)
        # One number says how the clan fires, [0, hierarchy) as a tree, and there if it is active.
        mode = jax.random.uniform(clan_key, (self.clans, 1, n))
        uniform = jax.random.uniform(node_key, (self.clans, max(self.own) + 1, n))
        shared = self._pick(uniform, self.draw)
        gate = (shared >= self._per_node(self.low)) & (shared < self._per_node(self.high))
        active = mode < self.hierarchy * self._per_node(self.rate)
        on = self._down(gate, active, jnp.logical_and)
        alone = self._pick(uniform, self.own) < self._per_node(self.alone)
        return jnp.where(mode < self.hierarchy, on, alone).reshape(-1, n)

    def sizes(self, key: Array, n: int) -> Float[Array, "features n"]:
        """The coefficients the nodes have where they are on."""
        clan_key, node_key = jax.random.split(key)
        shared = LAWS[self.law](clan_key, self.shared_kappa, (self.clans, 1, n))
        # Nodes that share a number of g are never on together.
        private = LAWS[self.law](node_key, self.kappa, (self.clans, max(self.own) + 1, n))
        private = self._pick(private, self.own)
        if self.coupling == "parent":
            private = self._down(private, jnp.ones_like(private), jnp.multiply)
        return (self._per_node(self.size) * shared * private).reshape(-1, n)

    def _per_node(self, values: Float[Array, " features"]) -> Float[Array, "clans nodes 1"]:
        return values.reshape(self.clans, -1, 1)

    def _pick(self, numbers: Float[Array, "clans draws n"], which: tuple[int, ...]) -> Array:
        """The numbers of each node of a clan, [clans, nodes, n]."""
        return numbers[:, np.asarray(which)]

    def _down(self, own: Array, top: Array, join: Callable[[Array, Array], Array]) -> Array:
        """join(own value, value of the parent) from the tops, whose parent has the value `top`, down."""
        above, tops = np.asarray(self.parents), np.asarray(self.parents) < 0
        done = join(own, top)
        for _ in range(self.depth - 1):
            done = join(own, jnp.where(tops[:, None], top, done[:, above]))
        return done

    @property
    def cross_rms(self) -> float:
        """Root mean square cosine of atoms of different clans, as realised."""
        return cross_rms(np.asarray(self.atoms).reshape(self.clans, -1, self.atoms.shape[1]))


def clan_world(
    tree: Tree,
    *,
    atoms: Float[np.ndarray, "clans nodes dim"],
    role: Int[np.ndarray, "clans nodes"],
    rate: Float[np.ndarray, " clans"],
    hierarchy: float,
    size: Float[np.ndarray, " nodes"],
    law: str,
    kappa: float,
    shared_kappa: float,
    coupling: str,
    noise: float,
    place: Float[np.ndarray, " dim"],
) -> ClanWorld:
    """The world of copies of a tree; `atoms` in the order of the firing tree.

    With E = E‖zD‖², exact, noise has the energy `noise` · E and the offset is `place` · √E.
    """
    clans, nodes = role.shape
    factors = tree.path if coupling == "parent" else np.eye(nodes)
    on, first, _ = moments(law, kappa)
    clan_on, clan_first, clan_second = moments(law, shared_kappa)
    fires = rate[:, None] * tree.marginal
    positive = clan_on * on ** factors.sum(1)
    given_on = size * clan_first * first ** factors.sum(1) / positive
    magnitude = clan_second * _products(size, factors, law, kappa)
    second = _both(tree, rate, hierarchy) * magnitude
    exact = np.asarray(atoms, np.float64)
    energy = _energy(exact, second, fires * given_on * positive)
    floats: dict[str, Any] = {"atoms": exact.reshape(-1, exact.shape[2]), "second": second}
    floats |= {"prob": fires * positive, "mean": np.tile(given_on, clans), "size": np.tile(size, clans)}
    floats |= {"cv": np.tile(np.sqrt(np.diagonal(magnitude) / positive / given_on**2 - 1), clans)}
    floats |= {"rate": np.repeat(rate, nodes), "alone": fires, "true_l0": (fires * positive).sum()}
    floats |= {"hierarchy": hierarchy, "kappa": kappa, "shared_kappa": shared_kappa}
    floats |= {"noise_std": np.sqrt(noise * energy / exact.shape[2]), "offset": place * np.sqrt(energy)}
    low, high = (np.tile(edge, clans) for edge in intervals(tree.given, tree.draw))
    first_node = np.repeat(np.arange(clans) * nodes, nodes)
    whole: dict[str, Any] = {"role": role.ravel() + first_node, "clan": first_node // nodes}
    parent = np.tile(tree.parent, clans)
    whole |= {"parent": np.where(parent < 0, -1, parent + first_node), "level": np.tile(tree.level, clans)}
    whole |= {"group": np.tile(tree.group, clans) + whole["clan"] * (tree.group.max() + 1)}
    draw, own = tree.draw, np.arange(nodes)
    if hierarchy == 1:  # nobody fires alone: siblings that exclude each other need one number
        draw = own = np.unique(draw, return_inverse=True)[1]
    return ClanWorld(
        clans=clans,
        depth=int(tree.level.max()) + 1,
        parents=tuple(tree.parent.tolist()),
        draw=tuple(draw.tolist()),
        own=tuple(own.tolist()),
        law=law,
        coupling=coupling,
        low=jnp.asarray(low),
        high=jnp.asarray(high),
        **{name: jnp.asarray(_flat(name, value), jnp.float32) for name, value in floats.items()},
        **{name: jnp.asarray(value, jnp.int32) for name, value in whole.items()},
    )


def moments(law: str, kappa: float) -> tuple[float, float, float]:
    """(P(f > 0), E f, E f²) of a factor f of this law, clipping at 0 included."""
    if law == "gamma" or kappa == 0:
        return 1.0, 1.0, 1.0 + kappa**2
    edge = 1 / kappa
    on, density = float(ndtr(edge)), kappa * float(np.exp(-(edge**2) / 2) / np.sqrt(2 * np.pi))
    return on, on + density, (1 + kappa**2) * on + density


def _products(
    size: np.ndarray, factors: np.ndarray, law: str, kappa: float
) -> Float[np.ndarray, "nodes nodes"]:
    """E of µ_i µ_j times the factors of both: one they have in common counts by its second moment."""
    _, first, second = moments(law, kappa)
    common, count = factors @ factors.T, factors.sum(1)
    return np.outer(size, size) * second**common * first ** (count[:, None] + count - 2 * common)


def _both(tree: Tree, rate: np.ndarray, hierarchy: float) -> Float[np.ndarray, "clans nodes nodes"]:
    """P(i and j on) inside each clan: a tree with probability `hierarchy`, else independent."""
    fires = rate[:, None] * tree.marginal
    alone = fires[:, :, None] * fires[:, None, :]
    alone[:, np.arange(len(tree.parent)), np.arange(len(tree.parent))] = fires
    return hierarchy * rate[:, None, None] * tree.joint + (1 - hierarchy) * alone


def _energy(atoms: np.ndarray, second: np.ndarray, expected: np.ndarray) -> float:
    """E‖zD‖² = Σ_k tr(D_kᵀ E[z_k z_kᵀ] D_k) + ‖Σ_k E z_k D_k‖² - Σ_k ‖E z_k D_k‖², clans independent."""
    inside = (second * (atoms @ np.swapaxes(atoms, 1, 2))).sum()
    means = np.einsum("kn,knd->kd", expected, atoms)
    return float(inside + np.square(means.sum(0)).sum() - np.square(means).sum())


def _flat(name: str, value: Any) -> np.ndarray:
    value = np.asarray(value, np.float64)
    return value.ravel() if name in ("prob", "alone") else value


def _normal(key: Array, kappa: Array, shape: tuple[int, ...]) -> Array:
    return jnp.maximum(1.0 + kappa * jax.random.normal(key, shape), 0.0)


LAWS = {"normal": _normal, "gamma": unit_gamma}
COUPLINGS = ("none", "parent")


def _noisy(clean: Array, noise_std: Array, key: Array) -> Array:
    return clean + noise_std * jax.random.normal(key, clean.shape)


def _clean(clean: Array, noise_std: Array, key: Array) -> Array:
    return clean
