"""Directions of clans: an exact Gram matrix inside each, random or least interference between them."""

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from synthetic.clan_trees import Tree
from synthetic.packing import haar, tight

EXACT = 1e-5  # how far a cosine in float32 may be from the one asked for
SMALLEST = 1e-6  # eigenvalue of a Gram matrix whose atoms float32 can still tell apart
PACKINGS = ("haar", "tight")


def clan_gram(tree: Tree, *, correlation: float, parent_cosine: float) -> Float[np.ndarray, "nodes nodes"]:
    """The cosines inside a clan: c among siblings once the parent is removed, a to the parent.

    d_top = w_top and d_child = a d_parent + √(1 - a²) w_child, where the w of siblings have
    cosine c and all others are orthogonal. So siblings have a² + (1 - a²) c below the tops and c
    among them, a child and its parent's sibling a c, cousins a² c, an ancestor t levels up a^t.
    """
    mixing = np.eye(len(tree.parent))
    for node in np.flatnonzero(tree.parent >= 0):
        mixing[node] *= np.sqrt(1 - parent_cosine**2)
        mixing[node] += parent_cosine * mixing[tree.parent[node]]
    private = np.where(tree.group[:, None] == tree.group, correlation, 0.0)
    np.fill_diagonal(private, 1.0)
    return mixing @ private @ mixing.T


def refuse_gram(tree: Tree, *, correlation: float, parent_cosine: float) -> None:
    """Raise ValueError where no float32 unit vectors have this Gram matrix."""
    largest = int(np.bincount(tree.group).max())
    low = -1 / (largest - 1) if largest > 1 else -1.0
    if not low < correlation < 1:
        raise ValueError(
            f"correlation = {correlation}: must lie strictly between {low:g} and 1, since {largest} siblings"
            " cannot have a common cosine outside of that"
        )
    if not 0 <= parent_cosine < 1:
        raise ValueError(f"parent_cosine = {parent_cosine}: must be at least 0 and below 1")
    gram = clan_gram(tree, correlation=correlation, parent_cosine=parent_cosine)
    smallest = np.linalg.eigvalsh(gram)[0]
    if smallest < SMALLEST:
        raise ValueError(
            f"correlation = {correlation}, parent_cosine = {parent_cosine}: the Gram matrix has the eigenvalue"
            f" {smallest:.1e}: must be at least {SMALLEST:g}, or atoms of a clan depend on each other"
        )


def clan_atoms(
    key: Array, gram: Float[np.ndarray, "nodes nodes"], *, clans: int, dim: int, packing: str
) -> Float[np.ndarray, "clans nodes dim"]:
    """Float32 atoms with exactly this Gram matrix in every clan: chol(Gram) times orthonormal rows.

    Clans are orthogonal to each other where dim has room for all. Else `haar` draws their spaces
    at random (root mean square cosine of orthonormal clans 1/√dim), `tight` moves them
    apart, to √((ρ - 1)/(p - nodes)) with ρ = p/dim where a tight frame is attainable. Raises
    ValueError where float32 misses the Gram matrix by more than 1e-5.
    """
    nodes = len(gram)
    if clans * nodes <= dim:
        blocks = haar(key, 1, clans * nodes, dim)[0].reshape(clans, nodes, dim)
    else:
        blocks = haar(key, clans, nodes, dim)
        if packing == "tight":
            blocks = tight([blocks])[0]
    atoms = (np.linalg.cholesky(gram) @ blocks).astype(np.float32)
    error = np.abs(achieved(atoms) - gram).max()
    if not error < EXACT:
        raise ValueError(f"the atoms miss the Gram matrix by {error:.1e}: must be below {EXACT:g}")
    return atoms


def achieved(atoms: Float[np.ndarray, "clans nodes dim"]) -> Float[np.ndarray, "clans nodes nodes"]:
    """The Gram matrix of each clan as the atoms have it, in float64."""
    exact = np.asarray(atoms, np.float64)
    return exact @ np.swapaxes(exact, 1, 2)


def cross_rms(atoms: Float[np.ndarray, "clans nodes dim"]) -> float:
    """Root mean square inner product of atoms of different clans; 0 for one clan.

    Σ over all pairs is ‖DᵀD‖², so that no matrix of all pairs is needed.
    """
    clans, nodes, dim = atoms.shape
    if clans == 1:
        return 0.0
    rows = np.asarray(atoms, np.float64).reshape(-1, dim)
    between = np.square(rows.T @ rows).sum() - np.square(achieved(atoms)).sum()
    return float(np.sqrt(max(between, 0.0) / (clans * (clans - 1) * nodes**2)))


def shuffled_roles(key: Array, tree: Tree, clans: int) -> Int[np.ndarray, "clans nodes"]:
    """A permutation per clan under which few relatives stay relatives: role[i] has i's direction.

    From a random start the swap is made that removes most pairs related in firing and in
    direction, until none helps. Two tops count least: too many of them are siblings (11 of the
    20 nodes of the paper's tree) for all to become strangers.
    """
    related, top = tree.related, tree.level == 0
    weight = np.where(top[:, None] & top, 1, len(related) ** 2) * related
    roles = []
    for part in jax.random.split(key, clans):
        role = np.array(jax.random.permutation(part, len(related)))
        while True:
            moved = related[np.ix_(role, role)]
            # Swapping r and s adds Σ_k (F_rk - F_sk)(H_sk - H_rk), k = r, s left out.
            cross = weight @ moved
            own = np.diagonal(cross)
            change = cross + cross.T - own[:, None] - own + 2 * weight * moved
            one, two = np.unravel_index(np.argmin(change), change.shape)
            if change[one, two] >= 0:
                break
            role[[one, two]] = role[[two, one]]
        roles.append(role)
    return np.stack(roles)
