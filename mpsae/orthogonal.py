"""Orthogonal matching pursuit on a Gram matrix: after each atom, all weights are fitted anew.

Batch-OMP (Rubinstein, Zibulevsky and Elad, Technion CS-2008-08): products with the residual come from
c = U x - G_I γ, so no step touches a vector of length dim. Step t costs, per row, t rows of G (2·t·width
operations, bound by memory) and the fit (`mpsae.refit`: 4·t² for least squares); k²·width in all. To
keep G orthogonalised instead, one row of it a step, takes as many operations to make and k·width more
memory per row; it was as fast on one core. `refitted` is the walk, for any rule that fits the weights.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mpsae import blocks, sparse
from mpsae.largest import first_max
from mpsae.norms import lengths
from mpsae.pursuit import Path
from mpsae.refit import FITS, Added, Fit
from mpsae.routes.product import gram, product

SCORES = {
    "max": lambda found: found,
    "abs": lambda found: jnp.where(found == -jnp.inf, found, jnp.abs(found)),
}
CHUNK = 4  # rows of G subtracted in one pass over the products
BLOCKS = {"cpu": 32}  # rows walked together: their products stay in cache (measured); elsewhere all


def orthogonal_pursuit(
    x: Float[Array, "batch dim"],
    atoms: Float[Array, "width dim"],
    k: int,
    *,
    select: str = "max",
    fit: str = "least_squares",
    tol: Float[Array, ""] | float = 0.0,
    table: Float[Array, "width width"] | None = None,
) -> Path:
    """k steps: i = argmax score(u_i·r) over atoms not taken, γ = fit of x by all taken, r = x - Σ γ_s u_s.

    u = d/‖d‖; values belong to the atoms d as given, of any norm. select: `max` or `abs` of the product.
    fit: `least_squares` leaves a residual orthogonal to every atom taken; `nonnegative` one with product
    0 where the weight is positive and at most 1e-5·‖x‖ where it is 0.

    A row ends early once ‖r‖ < tol; once no product exceeds rounding (16 eps·‖x‖; 1e-5·‖x‖ for
    `nonnegative`); and, for least squares, once the atom chosen lies in the span of those taken but for
    a sine whose square is below 100 eps. ‖r‖² is ‖x‖² - Σ γ_s u_s·x, so a `tol` below sqrt(eps)·‖x‖ is
    not resolved. Values are final, in the order of choice; 0 pads a short row. Indices and values are
    constants in the derivative; the residual, given them, is not.
    table: u_i·u_j where it is known already. Raises ValueError for an unknown option.
    """
    for name, value, known in (("select", select, SCORES), ("fit", fit, FITS)):
        if value not in known:
            raise ValueError(f"{name} = {value!r}: must be one of {', '.join(known)}")
    return refitted(x, atoms, k, select=select, fit=FITS[fit], tol=tol, table=table)


def refitted(
    x: Float[Array, "batch dim"],
    atoms: Float[Array, "width dim"],
    k: int,
    *,
    select: str,
    fit: Fit,
    tol: Float[Array, ""] | float,
    table: Float[Array, "width width"] | None,
) -> Path:
    """The pursuit that fits its weights by `fit`; see `orthogonal_pursuit` for all else."""
    free, fixed = (x, atoms), jax.lax.stop_gradient((x, atoms, table, tol))
    x, atoms, table, tol = fixed
    # By the largest entry first: squares of a tiny or huge row must not leave the range.
    peak = jnp.abs(x).max(-1, keepdims=True)
    peak = jnp.where(peak > 0, peak, 1.0)
    norms, size = lengths(atoms), lengths(x / peak)
    units = atoms / norms
    table = gram(units) if table is None else table
    start = product(x / peak / size, units)
    indices, weights = _in_blocks(k, select, fit, table, start, jnp.square(tol / peak / size))
    values = weights * size / norms[indices, 0] * peak
    return Path(indices, values, free[0] - sparse.combine(values, indices, free[1]))


def _in_blocks(k, select, fit, table, start, limit):
    """The walk over blocks of rows."""
    batch = len(start)
    parts = blocks.cut((start, limit), BLOCKS.get(jax.default_backend(), batch))
    out = jax.lax.map(lambda part: _walk(k, select, fit, table, *part), parts)
    return tuple(blocks.join(part.transpose(0, 2, 1), batch)[:, :k] for part in out)


def _walk(k, select, fit, table, start, limit):
    """(indices, weights), each [k, rows], k rounded up to whole chunks; ‖x‖ and all atoms are 1 here."""
    rows, dtype = len(start), start.dtype
    floor, everyone = fit.floor(dtype), jnp.arange(rows)
    k_padded = -(-k // CHUNK) * CHUNK

    def cond(carry):
        return (carry[0] < k) & carry[-1].any()

    def step(carry):
        t, allowed, indices, targets, weights, state, active = carry
        found = _products(table, allowed, indices, weights, t)
        scores = SCORES[select](found)
        index = first_max(scores)
        at = index[:, None]
        now, score, target = (
            jnp.take_along_axis(part, at, 1, mode="promise_in_bounds")[:, 0]
            for part in (found, scores, allowed)
        )
        row = table.at[index[None], indices].get(mode="promise_in_bounds")
        row = jnp.where(jnp.arange(k_padded)[:, None] < t, row, 0.0)
        state, fitted, possible = fit.add(state, weights, Added(t, row, target, now))
        live = active & (score > floor) & possible
        targets = targets.at[t].set(jnp.where(live, target, 0.0))
        weights = jnp.where(live, fitted, weights)
        left = jnp.maximum(1.0 - fit.explained(state, weights, targets), 0.0)
        # A product of -inf stays -inf whatever is subtracted: the atom is never taken again.
        allowed = allowed.at[everyone, index].set(-jnp.inf)
        return t + 1, allowed, indices.at[t].set(index), targets, weights, state, live & ~(left < limit[:, 0])

    empty = jnp.zeros((k_padded, rows), dtype)
    state = fit.start(k_padded, rows, dtype)
    carry = jnp.int32(0), start, empty.astype(jnp.int32), empty, empty, state, jnp.ones(rows, bool)
    _, _, indices, _, weights, _, _ = jax.lax.while_loop(cond, step, carry)
    return indices, weights


def _products(table, allowed, indices, weights, taken):
    """c = c_0 - Σ_s γ_s G_s over the atoms taken so far, from the start each time, so nothing drifts."""

    def chunk(n, found):
        for s in range(CHUNK):
            row = table.at[indices[n * CHUNK + s]].get(mode="promise_in_bounds")
            found = found - weights[n * CHUNK + s][:, None] * row
        return found

    return jax.lax.fori_loop(0, -(-taken // CHUNK), chunk, allowed)
