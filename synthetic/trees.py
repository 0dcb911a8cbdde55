"""The 20-node tree of arXiv 2506.03093 and the toy tree of noanabeshima/matryoshka-saes."""

import math

import jax
import numpy as np
from jaxtyping import Array, Float

from synthetic.world import World, tree_world

# Depth first: three internal parents with three children each, then eight leaf tops.
PARENT = (-1, 0, 0, 0, -1, 4, 4, 4, -1, 8, 8, 8) + (-1,) * 8
TOPS = PARENT.count(-1)


def tree20(
    key: Array,
    *,
    correlation: float = 0.0,
    mean: float = 1.5,
    std: float = 0.25,
    child_mean: float = 1.5,
    child_std: float = 0.25,
) -> World:
    """The paper's tree: exactly one of 11 tops fires, an internal one with at most one child.

    Internal parents fire with probability .2, leaf tops with .05, each child with .2
    given its parent (.4 none): E[L0] = 3·.2·(1 + 3·.2) + 8·.05 = 1.36. Coefficients are
    N(mean, std²) at the tops and N(child_mean, child_std²) below, clipped at 0. Siblings
    have cosine `correlation`, all other pairs of atoms are orthogonal; m = p = 20.
    """
    check_tree20(correlation=correlation, mean=mean, std=std, child_mean=child_mean, child_std=child_std)
    top = np.asarray(PARENT) < 0
    return tree_world(
        atoms=correlated(orthonormal(key, len(PARENT)), PARENT, correlation),
        parent=PARENT,
        given=_given(internal=0.2),
        draw=PARENT,  # siblings share one draw, the tops included
        mean=np.where(top, mean, child_mean),
        std=np.where(top, std, child_std),
    )


def toy_matryoshka(key: Array) -> World:
    """The original Matryoshka toy: the same 20 nodes, but the 11 tops fire independently.

    Internal parents .15, leaf tops .05, children .2 each given the parent and exclusive:
    P(x = 0) = .85³·.95⁸ = .4074 and E[L0] = 3·.15·1.6 + 8·.05 = 1.12. Codes are binary up
    to a length per feature 1 + .05 N(0, 1), drawn once; it is kept in `mean` (std 0), so
    the atoms stay orthonormal.
    """
    rows, lengths = jax.random.split(key)
    return tree_world(
        atoms=orthonormal(rows, len(PARENT)),
        parent=PARENT,
        given=_given(internal=0.15),
        draw=[-1 - node if above < 0 else above for node, above in enumerate(PARENT)],
        mean=1.0 + 0.05 * np.asarray(jax.random.normal(lengths, (len(PARENT),)), np.float64),
        std=np.zeros(len(PARENT)),
    )


def check_tree20(*, correlation: float, mean: float, std: float, child_mean: float, child_std: float) -> None:
    """Refuse, by ValueError, numbers of which no `tree20` can be built."""
    low = -1 / (TOPS - 1)
    if not low < correlation < 1:
        raise ValueError(
            f"correlation = {correlation}: must lie strictly between {low:g} and 1, since"
            f" {TOPS} sibling tops cannot have a common cosine outside of that"
        )
    for name, value in (("mean", mean), ("child_mean", child_mean)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} = {value}: must be a finite number above 0")
    for name, value in (("std", std), ("child_std", child_std)):
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} = {value}: must be a finite number, at least 0")


def orthonormal(key: Array, count: int) -> Float[np.ndarray, "count count"]:
    """A uniformly random rotation or reflection, rows orthonormal, in float64 from a float32 draw."""
    square = np.asarray(jax.random.normal(key, (count, count)), np.float64)
    q, r = np.linalg.qr(square)
    return (q * np.sign(np.diag(r))).T  # the signs make it Haar, QR alone is not


def correlated(
    rows: Float[np.ndarray, "features dim"], parent: tuple[int, ...], correlation: float
) -> Float[np.ndarray, "features dim"]:
    """Orthonormal rows mixed within each sibling group so that siblings have this cosine.

    The rows of a group are multiplied by the Cholesky factor of (1 - c) I + c 11ᵀ: their
    Gram is that matrix, and other groups stay orthogonal to them.
    """
    mixed = np.array(rows)
    for above in set(parent):
        nodes = np.flatnonzero(np.asarray(parent) == above)
        gram = (1 - correlation) * np.eye(len(nodes)) + correlation
        mixed[nodes] = np.linalg.cholesky(gram) @ rows[nodes]
    return mixed


def sibling_cosine(epsilon: float, n: int) -> float:
    """Cosine of two of n siblings d_i ∝ (1-ε) q_i + ε/(n-1) Σ_{j≠i} q_j on orthonormal q.

    (2ab + (n-2) b²) / (a² + (n-1) b²) with a = 1-ε, b = ε/(n-1): the paper states ε.
    """
    a, b = 1 - epsilon, epsilon / (n - 1)
    return (2 * a * b + (n - 2) * b**2) / (a**2 + (n - 1) * b**2)


def mixing_for(c: float, n: int) -> float:
    """The ε whose `sibling_cosine` among n siblings is c, on the branch that starts at ε(0) = 0."""
    a = (n - 1) * c - (n - 2)
    t = c / (1 + math.sqrt(1 - a * c))  # = (1 - √(1 - a c)) / a without the hole at a = 0
    return (n - 1) * t / (1 + (n - 1) * t)


def _given(*, internal: float) -> np.ndarray:
    """P(node | parent on): `internal` for tops with children, .05 for leaf tops, .2 for children."""
    return np.array(
        [0.2 if above >= 0 else internal if node in PARENT else 0.05 for node, above in enumerate(PARENT)]
    )
