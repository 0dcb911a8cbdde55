"""Rules for the norm of an atom: where it may live, and what of a gradient acts on it."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Atoms = Float[Array, "width dim"]


class Norm(NamedTuple):
    """`project(atoms)` after a step, `project_grad(atoms, grad)` before it."""

    project: Callable[[Atoms], Atoms]
    project_grad: Callable[[Atoms, Atoms], Atoms]


def sizes(atoms: Atoms) -> Float[Array, " width"]:
    """‖d_i‖ of each row; its gradient is 0, not undefined, at a row of zeros."""
    # A row too long to square is scaled down first: its norm must not be inf and the row then 0.
    longest = jax.lax.stop_gradient(jnp.abs(atoms).max(-1))
    scale = jnp.where(longest > 1e18, longest, 1.0)
    square = jnp.square(atoms / scale[:, None]).sum(-1)
    return scale * jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def lengths(atoms: Atoms) -> Float[Array, "width 1"]:
    """‖d_i‖ of each row as a divisor: 1 in place of 0, so that a dead row stays finite."""
    size = sizes(atoms)[:, None]
    return jnp.where(size > 0, size, 1.0)


def sphere(atoms: Atoms) -> Atoms:
    """Every row on the unit sphere; a zero row stays zero."""
    return atoms / lengths(atoms)


def ball(atoms: Atoms) -> Atoms:
    """Rows longer than 1 shortened to 1, the others left."""
    return atoms / jnp.maximum(lengths(atoms), 1.0)


def largest(atoms: Atoms) -> Atoms:
    """All rows divided by the longest, so relative lengths are free."""
    return atoms / lengths(atoms).max()


def tangent(atoms: Atoms, grad: Atoms) -> Atoms:
    """The gradient without its part along the atom: g - ⟨g, d⟩ d / ‖d‖²."""
    unit = sphere(atoms)
    return grad - (grad * unit).sum(-1, keepdims=True) * unit


def _atoms(atoms: Atoms) -> Atoms:
    return atoms


def _grad(atoms: Atoms, grad: Atoms) -> Atoms:
    return grad


NORMS: dict[str, Norm] = {
    "init": Norm(_atoms, _grad),
    "project": Norm(sphere, _grad),
    "tangent": Norm(sphere, tangent),
    "ball": Norm(ball, _grad),
    "max": Norm(largest, _grad),
}
