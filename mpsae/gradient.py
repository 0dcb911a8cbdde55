"""Gradient pursuit on a Gram matrix: after each atom, all weights take one step down the error.

Between matching pursuit, which moves one weight a step, and orthogonal pursuit, which solves for all of
them. It walks as the orthogonal one does: k²·width operations a row to update products, 4·k³ to fit.
Source: Blumensath and Davies, Gradient pursuits, 2008; cut at 0 as in Smith et al., 2024, where it codes
with a dictionary that was trained otherwise.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mpsae.orthogonal import refitted
from mpsae.pursuit import Path
from mpsae.refit import Fit, grown, no_system, products, rounding


def gradient_pursuit(
    x: Float[Array, "batch dim"],
    atoms: Float[Array, "width dim"],
    k: int,
    *,
    tol: Float[Array, ""] | float = 0.0,
    table: Float[Array, "width width"] | None = None,
) -> Path:
    """k steps: i = argmax u_i·r over atoms not taken, then of all taken g = u·r, γ = max(γ + a g, 0).

    u = d/‖d‖, r = x - Σ γ_s u_s, Δ = Σ g_s u_s and a = ⟨Δ, r⟩/‖Δ‖², which minimises the error along g;
    the cut at 0 comes after, so the error is not the least along g where it cuts, and could rise.
    Values belong to the atoms d as given, of any norm.

    A row ends early once ‖r‖ < tol and once no product of an atom not taken exceeds 16 eps·‖x‖. ‖r‖² is
    ‖x‖² - Σ γ_s (u_s·x + u_s·r), so a `tol` below sqrt(eps)·‖x‖ is not resolved. Values are final, in the
    order of choice; 0 pads a short row and stands for a weight that was cut. Indices and values are
    constants in the derivative; the residual, given them, is not. table: u_i·u_j where it is known already.
    """
    return refitted(x, atoms, k, select="max", fit=STEP, tol=tol, table=table)


def _step(system, weights, added):
    system = grown(system, added)
    before = weights.T
    way = products(system, before)
    # ⟨Δ, r⟩ = ‖g‖². Δ is 0 only where g is, and then there is nothing to move.
    curve = jnp.einsum("rs,rst,rt->r", way, system[0], way, precision="highest")
    size = jnp.square(way).sum(1) / jnp.where(curve > 0, curve, 1.0)
    new = jnp.maximum(before + size[:, None] * way, 0.0)
    return system, new.T, jnp.ones(len(new), bool)


def _explained(system, weights, targets):
    return (weights * (targets + products(system, weights.T).T)).sum(0)


STEP = Fit(no_system, _step, rounding, _explained)
