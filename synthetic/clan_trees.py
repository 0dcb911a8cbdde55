"""The tree that every clan of a superposed world copies: who may fire under whom, and how often."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, Int

from synthetic.trees import PARENT

LARGEST = 2000  # nodes of one tree: the joint law of a clan is a table of pairs


@dataclasses.dataclass(frozen=True)
class Tree:
    """Nodes, parents before their children, and the probability of each once its parent fires.

    Nodes that share a `draw` exclude each other; they are siblings, and the tops are siblings.
    """

    parent: Int[np.ndarray, " nodes"]  # -1 for a top
    given: Float[np.ndarray, " nodes"]  # P(fires | parent fires), for a top P(fires | the tree is drawn)
    draw: Int[np.ndarray, " nodes"]

    @functools.cached_property
    def level(self) -> Int[np.ndarray, " nodes"]:
        """0 for a top, one more than the parent's below."""
        level = np.zeros(len(self.parent), np.int32)
        for node in np.flatnonzero(self.parent >= 0):
            level[node] = level[self.parent[node]] + 1
        return level

    @functools.cached_property
    def group(self) -> Int[np.ndarray, " nodes"]:
        """Siblings share it; in range(groups)."""
        return np.unique(self.parent, return_inverse=True)[1].astype(np.int32)

    @property
    def marginal(self) -> Float[np.ndarray, " nodes"]:
        """P(node fires | the tree is drawn): the product of `given` along its path."""
        return np.diagonal(self.joint)

    @functools.cached_property
    def joint(self) -> Float[np.ndarray, "nodes nodes"]:
        """P(i and j fire | the tree is drawn), level by level.

        The deeper of two nodes has P(i, j) = given_i P(parent_i, j); two of one level have
        given_i given_j P(parent_i, parent_j), or 0 where they exclude each other.
        """
        nodes = len(self.parent)
        joint = np.zeros((nodes, nodes))
        for level in range(self.level.max() + 1):
            own, above = np.flatnonzero(self.level == level), np.flatnonzero(self.level < level)
            up, given = self.parent[own], self.given[own]
            both = np.ones((len(own),) * 2) if level == 0 else joint[np.ix_(up, up)]
            pair = given[:, None] * given * both * (self.draw[own][:, None] != self.draw[own])
            np.fill_diagonal(pair, given * np.diagonal(both))
            joint[np.ix_(own, own)] = pair
            if level:
                joint[np.ix_(own, above)] = given[:, None] * joint[np.ix_(up, above)]
                joint[np.ix_(above, own)] = joint[np.ix_(own, above)].T
        return joint

    @functools.cached_property
    def path(self) -> Float[np.ndarray, "nodes nodes"]:
        """1 where the second node is the first or an ancestor of it, else 0."""
        path = np.eye(len(self.parent))
        for node in np.flatnonzero(self.parent >= 0):
            path[node] += path[self.parent[node]]
        return path

    @functools.cached_property
    def related(self) -> Int[np.ndarray, "nodes nodes"]:
        """1 for siblings and for parent and child, else 0."""
        siblings = self.group[:, None] == self.group
        up = self.parent[:, None] == np.arange(len(self.parent))
        related = (siblings | up | up.T).astype(np.int64)
        np.fill_diagonal(related, 0)
        return related


SIBLINGS = ("exclusive", "independent")


def clan_tree(shape: str, *, branch: float, skew: float, siblings: str) -> Tree:
    """The tree of this shape: `paper`, or sizes level by level such as 4x3x2.

    `4x3x2` has 4 tops, 3 children under each, 2 under each of those; `1` is a single node.
    Tops share the probability 1 evenly (in `paper` .2 for the three with children and .05 for
    the eight without), the children of a node share `branch`. With `skew` s the share of the
    sibling of rank r is weighted by r^-s, the total kept. Raises ValueError for other shapes.
    """
    parent = np.asarray(PARENT if shape == "paper" else _regular(shape), np.int32)
    given = np.ones(len(parent))
    if shape == "paper":
        given[(parent < 0) & ~np.isin(np.arange(len(parent)), parent)] = 0.25  # leaf tops, of weight 1
    for above in np.unique(parent):
        nodes = np.flatnonzero(parent == above)
        weight = given[nodes] * np.arange(1.0, len(nodes) + 1) ** -skew
        given[nodes] = weight / weight.sum() * (1.0 if above < 0 else branch)
    own = np.arange(len(parent), dtype=np.int32)
    exclusive = {"exclusive": np.array([np.argmax(parent == above) for above in parent]), "independent": own}
    return Tree(parent=parent, given=given, draw=exclusive[siblings].astype(np.int32))


def _regular(shape: str) -> list[int]:
    """Parents, level by level, of a tree whose nodes of one level have equally many children."""
    sizes = [int(size) if size.isdecimal() and size.isascii() else 0 for size in shape.split("x")]
    if min(sizes) < 1:
        raise ValueError(
            f"tree = {shape!r}: must be 'paper' or the numbers of tops, children, grandchildren ..., such as 4x3x2"
        )
    nodes, level = 0, 1
    for size in sizes:
        level *= size
        nodes += level
        if nodes > LARGEST:
            raise ValueError(f"tree = {shape!r}: must have at most {LARGEST} nodes")
    parent, above = [-1] * sizes[0], range(sizes[0])
    for size in sizes[1:]:
        start = len(parent)
        parent += [node for node in above for _ in range(size)]
        above = range(start, len(parent))
    return parent
