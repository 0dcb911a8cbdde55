"""One world: a dictionary, a tree of features that fire, and samples of both with their truth."""

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int
from scipy.special import ndtr

GENERATOR = 1  # raised whenever the same key would give other samples


class World(struct.PyTreeNode):
    """Features on a tree, their directions, and the law of the samples x = z D + offset + noise.

    A node fires when its parent does and its own gate is open. The gate of node i
    is open when the uniform number `draw[i]` of the sample falls into
    [low[i], high[i]). Nodes that share a draw have disjoint intervals, so they
    exclude each other, and what their intervals leave free is the silent branch;
    nodes with a draw of their own are independent. The coefficient of a firing
    node is max(0, mean + std N(0, 1)).

    Only `draws` and `depth` are static: worlds with one tree shape that differ in
    seed, geometry or laws stack leaf by leaf.
    """

    atoms: Float[Array, "features dim"]  # unit rows unless the world says otherwise
    parent: Int[Array, " features"]  # -1 for a top
    level: Int[Array, " features"]  # 0 for a top
    group: Int[Array, " features"]  # siblings share it, and the tops are one group
    prob: Float[Array, " features"]  # P(z_i > 0), exact, clipping included
    mean: Float[Array, " features"]  # of the normal law of the coefficient, before clipping
    std: Float[Array, " features"]
    offset: Float[Array, " dim"]
    noise_std: Float[Array, ""]
    true_l0: Float[Array, ""]  # E[number of z_i > 0], exact
    draw: Int[Array, " features"]  # in range(draws)
    low: Float[Array, " features"]
    high: Float[Array, " features"]
    draws: int = struct.field(pytree_node=False)
    depth: int = struct.field(pytree_node=False)  # number of levels

    def sample(self, key: Array, n: int) -> tuple[Float[Array, "n dim"], Float[Array, "n features"]]:
        """n samples x [n, dim] and their codes z [n, features]; pure in (world, key)."""
        gate_key, size_key, noise_key = jax.random.split(key, 3)
        on = self.fires(jax.random.uniform(gate_key, (self.draws, n)))
        # At most one node of a draw fires, so one normal number per draw is enough: it never meets
        # two active nodes of one sample.
        normal = jax.random.normal(size_key, (self.draws, n))[self.draw]
        size = jnp.maximum(self.mean[:, None] + self.std[:, None] * normal, 0.0)
        codes = jnp.where(on, size, 0.0).T
        clean = jnp.matmul(codes, self.atoms, precision=jax.lax.Precision.HIGHEST)
        # Most worlds have no noise: do not pay for its normal numbers there.
        x = jax.lax.cond(self.noise_std > 0, _noisy, _clean, clean + self.offset, self.noise_std, noise_key)
        return x, codes

    def fires(self, uniform: Float[Array, "draws n"]) -> Bool[Array, "features n"]:
        """Which nodes are on: own gate open and every ancestor on, `depth` passes from the top."""
        own = uniform[self.draw]
        gate = (own >= self.low[:, None]) & (own < self.high[:, None])
        on, top = gate, (self.parent < 0)[:, None]
        for _ in range(self.depth - 1):
            on = gate & (top | on[self.parent])
        return on


def _noisy(clean: Array, noise_std: Array, key: Array) -> Array:
    return clean + noise_std * jax.random.normal(key, clean.shape)


def _clean(clean: Array, noise_std: Array, key: Array) -> Array:
    return clean


def tree_world(*, atoms, parent, given, draw, mean, std, offset=None, noise_std=0.0) -> World:
    """The world of a tree given node by node, parents before their children.

    `atoms [features, dim]`; `parent [features]`, -1 for a top; `given [features]`
    P(gate open), the conditional probability of firing once the parent is on;
    `draw [features]` equal for siblings that exclude each other; `mean`, `std`
    [features] of the coefficients. Marginals are exact:
    prob_i = Π over i and its ancestors of given · Φ(mean_i / std_i).
    """
    atoms, given, mean, std = (np.asarray(value, np.float64) for value in (atoms, given, mean, std))
    parent, draw = np.asarray(parent, np.int32), np.unique(draw, return_inverse=True)[1].astype(np.int32)
    _refuse_malformed(atoms=atoms, parent=parent, given=given, draw=draw, mean=mean, std=std)
    level, rate = np.zeros(len(parent), np.int32), given.copy()
    for node in np.flatnonzero(parent >= 0):
        level[node] = level[parent[node]] + 1
        rate[node] = given[node] * rate[parent[node]]
    low, high = intervals(given, draw)
    sigmas = np.divide(mean, std, out=np.where(mean > 0, np.inf, -np.inf), where=std > 0)
    prob = rate * ndtr(sigmas)
    floats = {"atoms": atoms, "prob": prob, "mean": mean, "std": std, "low": low, "high": high}
    floats |= {"noise_std": noise_std, "true_l0": prob.sum()}
    floats |= {"offset": np.zeros(atoms.shape[1]) if offset is None else offset}
    whole = {"parent": parent, "level": level, "draw": draw}
    whole |= {"group": np.unique(parent, return_inverse=True)[1]}
    return World(
        draws=int(draw.max()) + 1,
        depth=int(level.max()) + 1,
        **{name: jnp.asarray(value, jnp.float32) for name, value in floats.items()},
        **{name: jnp.asarray(value, jnp.int32) for name, value in whole.items()},
    )


def intervals(given: np.ndarray, draw: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Disjoint intervals of length `given`, laid end to end from 0 within each draw.

    Neighbours share one float32 edge, so no uniform number falls between them or into both.
    """
    low, high = np.empty(len(given), np.float32), np.empty(len(given), np.float32)
    for shared in np.unique(draw):
        nodes = np.flatnonzero(draw == shared)
        edges = np.concatenate([[0.0], np.cumsum(given[nodes])]).astype(np.float32)
        low[nodes], high[nodes] = edges[:-1], edges[1:]
    return low, high


def _refuse_malformed(**fields: np.ndarray) -> None:
    parent, given, draw = fields["parent"], fields["given"], fields["draw"]
    for name, value in fields.items():
        if len(value) != len(parent):
            raise ValueError(f"{name} has {len(value)} rows: must have one per node, {len(parent)} as parent")
    if (parent >= np.arange(len(parent))).any() or (parent < -1).any():
        raise ValueError(f"parent = {parent.tolist()}: must be -1 or the index of an earlier node")
    for name, bad, allowed in [
        ("given", ~((given >= 0) & (given <= 1)), "a probability in [0, 1]"),
        ("std", ~(fields["std"] >= 0), "at least 0"),
    ]:
        if bad.any():
            node = int(np.argmax(bad))
            raise ValueError(f"{name}[{node}] = {fields[name][node]}: must be {allowed}")
    for shared in np.unique(draw):
        nodes = np.flatnonzero(draw == shared)
        if len(np.unique(parent[nodes])) > 1:
            raise ValueError(f"draw: nodes {nodes.tolist()} share one: only siblings may exclude each other")
        if given[nodes].sum() > 1 + 1e-9:
            total = given[nodes].sum()
            raise ValueError(f"given: nodes {nodes.tolist()} exclude each other: {total} must be at most 1")
