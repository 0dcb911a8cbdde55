"""Weights of the atoms that a pursuit has selected, fitted anew with each atom it adds.

Everything is in terms of Gram entries of unit atoms: A_st = u_s·u_t among the selected, b_s = u_s·x.
Arrays are [k, rows], so that sums over atoms run over whole rows; slots not filled yet hold 0.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

INNER = 10  # turns of the non-negative fit per added atom, where rows that are done do not count
TOLERANCE = 1e-5  # of a product with a unit atom, ‖x‖ = 1: below it the atom would not help


class Added(NamedTuple):
    """The atom of step t: A_ts with those before it, b_t, and its product with the residual."""

    step: Int[Array, ""]
    row: Float[Array, "k rows"]
    target: Float[Array, " rows"]
    product: Float[Array, " rows"]


class Fit(NamedTuple):
    """start(k, rows, dtype) -> state; add(state, weights, added) -> (state, weights, possible).

    `possible` is False where the atom depends numerically on those before it. floor(dtype): the
    product with the residual (of ‖x‖ = 1) up to which an atom is not worth adding. explained(state,
    weights, targets): ‖x‖² - ‖r‖².
    """

    start: Callable[..., Any]
    add: Callable[..., tuple[Any, Float[Array, "k rows"], Bool[Array, " rows"]]]
    floor: Callable[..., float]
    explained: Callable[..., Float[Array, " rows"]]


def rounding(dtype: DTypeLike) -> float:
    """Up to here a product of unit vectors may be 0."""
    return 16 * float(jnp.finfo(dtype).eps)


def _of_the_best(state, weights, targets):
    """γ'b: at the best weights the residual is orthogonal to what they rebuild."""
    return (weights * targets).sum(0)


# --- least squares --------------------------------------------------------------------------------


def _factor(k, rows, dtype):
    return jnp.zeros((k, k, rows), dtype)


def _extend(inverse, weights, added):
    """γ += (⟨u_t, r⟩ / ρ) m_t, where m_t is the new row of L⁻¹ and ρ the new pivot of L L' = A.

    l = L⁻¹ A_t, ρ² = 1 - ‖l‖², m_t = (e_t - L⁻ᵀ l) / ρ: 4 t² operations, and no system is solved. The
    weights are those of least squares on x because the residual is orthogonal to all atoms before t.
    `inverse[s]` is column s of L⁻¹. ρ is the sine of the angle between u_t and the span of the others.
    """
    k, rows = weights.shape
    step, row = added.step, added.row
    left = jax.lax.fori_loop(
        0, step, lambda s, sum: sum + inverse[s] * row[s], jnp.zeros((k, rows), row.dtype)
    )
    square = 1.0 - jnp.square(left).sum(0)
    possible = square > 100 * jnp.finfo(row.dtype).eps
    pivot = jnp.sqrt(jnp.where(possible, square, 1.0))
    new = (-(inverse * left).sum(1)).at[step].set(1.0) / pivot
    return inverse.at[:, step].set(new), weights + added.product / pivot * new, possible


# --- the system as it is ---------------------------------------------------------------------------


def no_system(k, rows, dtype):
    """A = 0 and b = 0."""
    return jnp.zeros((rows, k, k), dtype), jnp.zeros((rows, k), dtype)


def grown(system, added: Added):
    """(A, b) with the entries of one more atom, A_tt = 1."""
    matrix, target = system
    matrix = matrix.at[:, added.step].set(added.row.T).at[:, :, added.step].set(added.row.T)
    return matrix.at[:, added.step, added.step].set(1.0), target.at[:, added.step].set(added.target)


def products(system, weights):
    """b - Aγ: the products of the selected atoms with the residual, [rows, k]."""
    matrix, target = system
    return target - jnp.einsum("rst,rt->rs", matrix, weights, precision="highest")


# --- non-negative least squares -------------------------------------------------------------------


def _active_set(system, weights, added):
    """min ½ γ'Aγ - b'γ over γ ≥ 0 by an active set that starts from the weights before.

    A turn solves for the atoms in the set; weights that would fall below 0 stop the way there and
    leave the set, otherwise the atom of largest product with the residual enters it. Every turn
    lowers the error and ends at γ ≥ 0, so stopping after `INNER` is safe. k³/3 operations a turn.
    Source: Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23.
    """
    matrix, target = system = grown(system, added)
    inside = weights.T > 0
    start = jnp.int32(0), weights.T, inside.at[:, added.step].set(True), jnp.zeros(len(inside), bool)

    def turn(carry):
        count, weights, inside, done = carry
        wanted = _solve(matrix, target, inside)
        falls = inside & (wanted <= 0)
        gap = jnp.where(falls, weights - wanted, 1.0)
        way = jnp.where(falls, weights / jnp.where(gap > 0, gap, 1.0), 1.0).min(1, keepdims=True)
        moved = jnp.where(falls.any(1, keepdims=True), weights + way * (wanted - weights), wanted)
        leaves = falls & (weights <= way * gap)
        moved = jnp.where(inside & ~leaves, jnp.maximum(moved, 0.0), 0.0)
        product = jnp.where(inside, 0.0, products(system, moved))
        enters = (product == product.max(1, keepdims=True)) & (product > TOLERANCE)
        settled = ~falls.any(1)
        # A singular set has no solution: the row keeps what it has.
        sound = jnp.isfinite(wanted).all(1)
        change = (~done & sound)[:, None]
        weights = jnp.where(change, moved, weights)
        inside = jnp.where(change, jnp.where(settled[:, None], inside | enters, inside & ~leaves), inside)
        return count + 1, weights, inside, done | ~sound | (settled & ~enters.any(1))

    _, new, _, _ = jax.lax.while_loop(lambda carry: (carry[0] < INNER) & ~carry[-1].all(), turn, start)
    return system, new.T, jnp.ones(len(new), bool)


def _solve(matrix, target, inside):
    """A⁻¹ b over the atoms inside, 0 for the others."""
    k = target.shape[1]
    both = inside[:, :, None] & inside[:, None, :]
    matrix = jnp.where(both, matrix, 0.0) + jnp.where(inside[:, :, None], 0.0, jnp.eye(k, dtype=matrix.dtype))
    factor = jax.lax.linalg.cholesky(matrix, symmetrize_input=False)
    return jax.scipy.linalg.cho_solve((factor, True), jnp.where(inside, target, 0.0)[:, :, None])[:, :, 0]


FITS = {
    "least_squares": Fit(_factor, _extend, rounding, _of_the_best),
    "nonnegative": Fit(no_system, _active_set, lambda dtype: TOLERANCE, _of_the_best),
}
