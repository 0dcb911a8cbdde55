"""A forest of complete trees: who is whose child, and what gating and exclusion do."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int


@dataclasses.dataclass(frozen=True)
class Forest:
    """`roots` trees, `branching` children per node, `depth` levels below the roots.

    Indices are handed out level by level, siblings side by side: the roots are 0 ... roots - 1,
    the children of node i are the `branching` nodes that follow those of node i - 1. Features
    from `size` on stand alone. Plain numbers, so a pytree can hold it as static.
    """

    roots: int
    branching: int
    depth: int

    @property
    def spans(self) -> list[slice]:
        """The indices of each level, from the roots down."""
        spans, start, count = [], 0, self.roots
        for _ in range(self.depth + 1):
            spans.append(slice(start, start + count))
            start, count = start + count, count * self.branching
        return spans

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return self.spans[-1].stop

    @property
    def inner(self) -> int:
        """How many nodes have children: these are the first ones."""
        return self.spans[-1].start

    def tops(self, features: int) -> Int[np.ndarray, " tops"]:
        """The roots and the features that stand alone."""
        return np.r_[: self.roots, self.size : features]

    def parents(self, features: int) -> Int[np.ndarray, " features"]:
        """The parent of every feature; -1 for roots and for features that stand alone."""
        parent = np.full(features, -1, np.int32)
        parent[self.roots : self.size] = np.repeat(np.arange(self.inner), self.branching)
        return parent

    def levels(self, features: int) -> Int[np.ndarray, " features"]:
        """The depth of every feature; 0 for roots and for features that stand alone."""
        level = np.zeros(features, np.int32)
        for depth, span in enumerate(self.spans):
            level[span] = depth
        return level

    def compensated(self, base: Float[np.ndarray, " features"]) -> Float[np.ndarray, " features"]:
        """P(own gate open) that about keeps the marginals `base` under gating and exclusion, in [0, 1].

        Child i of P with siblings S: min(1, p_i / p_P · (1 + Σ_{j ∈ S} p_j / p_P)); others p_i.
        """
        gate = np.array(base, np.float64)
        for above, below in zip(self.spans, self.spans[1:], strict=False):
            given = base[below].reshape(-1, self.branching) / base[above][:, None]
            rivals = given.sum(1, keepdims=True) - given
            gate[below] = np.minimum(given * (1 + rivals), 1).reshape(-1)
        return gate

    def children(self, node: Int[Array, "*shape"]) -> Int[Array, "*shape branching"]:
        """The children of each of these inner nodes."""
        first = self.roots + self.branching * node
        return first[..., None] + jnp.arange(self.branching)

    def settled(self, given: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n features"]:
        """P(on after gating and exclusion) where feature i of row r has a value above 0 of its own with
        probability given[r, i], independently.

        Child i is kept with probability P(parent on) · g_i · E 1/(1 + number of siblings on), and the
        mean is ∫₀¹ Π_{j ≠ i} (1 - g_j + g_j s) ds: a polynomial, for which Gauss' rule is exact.
        """
        nodes, weights = np.polynomial.legendre.leggauss((self.branching + 1) // 2)
        on = np.array(given, np.float64)
        for above, below in zip(self.spans, self.spans[1:], strict=False):
            own = on[:, below].reshape(len(on), -1, self.branching)
            share = np.zeros_like(own)
            for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
                factors = 1 - own * (1 - node)
                share += weight * factors.prod(2, keepdims=True) / factors
            on[:, below] = (on[:, above, None] * own * share).reshape(len(on), -1)
        return on


def one_above_zero(
    values: Float[Array, "*shape siblings"], draw: Float[Array, "*shape"]
) -> Int[Array, "*shape"]:
    """Which of the siblings above 0 is kept, each with the same probability, by `draw` in [0, 1].

    0 where none is above 0.
    """
    on = values > 0
    count = on.sum(-1)
    chosen = jnp.minimum((draw * count).astype(count.dtype), count - 1)
    return jnp.argmax(on & (jnp.cumsum(on, axis=-1) - 1 == chosen[..., None]), axis=-1)
