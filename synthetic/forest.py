"""A forest of complete trees: who is whose child, and what gating and exclusion do to values."""

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

    def settle(
        self,
        values: Float[Array, " features"],
        draw: Float[Array, " inner"],
        reference: Float[Array, " features"],
    ) -> Float[Array, " features"]:
        """What gating, scaling and exclusion leave of one row of values >= 0, level by level.

        A child's value is multiplied by its parent's value / reference[parent], so it is 0 where
        the parent is; of siblings above 0 one is kept, each with the same probability, by the
        parent's uniform number `draw` in [0, 1).
        """
        settled = [values[: self.roots]]
        for above, below in zip(self.spans, self.spans[1:], strict=False):
            ratio = settled[-1] / reference[above]
            children = values[below].reshape(-1, self.branching) * ratio[:, None]
            on = children > 0
            place = jnp.cumsum(on, axis=1) - 1
            chosen = (draw[above] * on.sum(1)).astype(place.dtype)
            settled.append(jnp.where(on & (place == chosen[:, None]), children, 0.0).reshape(-1))
        return jnp.concatenate([*settled, values[self.size :]])

    def settled(self, given: Float[np.ndarray, "n features"]) -> Float[np.ndarray, "n features"]:
        """P(on after `settle`) where feature i of row r is above 0 with probability given[r, i], independently.

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
