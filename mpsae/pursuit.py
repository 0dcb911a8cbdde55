"""Greedy residual pursuit: pick the atom that fits the residual best, subtract, repeat.

The loop over steps is the algorithm. Selection is a constant in the derivative, so
the backward pass needs only which atom was taken and how much of it: it runs the
residual backwards (r_{t-1} = r_t + v_t d_t) and costs O(k·dim) per sample plus the
scatter, instead of k products with the whole dictionary.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

SELECT = {
    "relu_max": (lambda product: product, jax.nn.relu),
    "max": (lambda product: product, lambda value: value),
    "abs": (jnp.abs, lambda value: value),
}
REPEATS = ("accumulate", "stop", "ban")
TOLERANCES = ("absolute", "relative")
RESIDUAL_GRADIENTS = ("full", "detach")


class Rule(NamedTuple):
    """What fixes the loop: `k` steps at most and the enumerated options.

    select: `relu_max` takes the largest product and clips its value at 0, `max` keeps a
    negative value, `abs` takes the largest magnitude. on_repeat: `accumulate` lets an atom
    be taken again, `stop` ends the row after adding a repeated (or zero-valued) step, `ban`
    excludes taken atoms. slices: step t sees only slice t mod `slices` of the atoms.
    grad_residual: `detach` treats the residual inside every product as constant.
    """

    k: int
    select: str = "relu_max"
    on_repeat: str = "accumulate"
    tol_kind: str = "absolute"
    slices: int = 1
    grad_residual: str = "full"


class Path(NamedTuple):
    """A pursuit in selection order; a step that was not taken has value 0."""

    indices: Int[Array, "batch k"]
    values: Float[Array, "batch k"]
    residual: Float[Array, "batch dim"]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def pursue(
    rule: Rule,
    x: Float[Array, "batch dim"],
    atoms: Float[Array, "width dim"],
    analysis: Float[Array, "width dim"],
    offset: Float[Array, " width"],
    selector: Float[Array, "width dim"],
    tol: Float[Array, ""] | float,
) -> Path:
    """k greedy steps: i = argmax_i s_i·r + o_i, v = a_i·r + o_i, r ← r - v d_i.

    `selector` rows s choose, `analysis` rows a weigh, `atoms` d are subtracted, `offset` o
    is an encoder bias. A row ends early once ‖r‖ < tol (or tol·‖x‖) after a step. Differentiable in
    x, atoms, analysis and offset; the choice itself has no derivative.
    Source: arXiv 2506.03093; the options are those of its public implementations.
    """
    return _forward(rule, x, atoms, analysis, offset, selector, tol)[0]


def _forward(rule, x, atoms, analysis, offset, selector, tol):
    batch, width = len(x), len(atoms)
    score, rectify = SELECT[rule.select]
    limit = jnp.square(tol) * (jnp.square(x).sum(-1) if rule.tol_kind == "relative" else 1.0)
    slot = jnp.arange(width) // -(-width // rule.slices)

    def cond(carry):
        t, _, _, _, active = carry
        return (t < rule.k) & active.any()

    def step(carry):
        t, residual, indices, values, active = carry
        product = score(residual @ selector.T + offset)
        if rule.slices > 1:
            product = jnp.where(slot == t % rule.slices, product, -jnp.inf)
        if rule.on_repeat == "ban":
            # Untaken steps point past the last atom and so ban nothing.
            taken = jnp.where(jnp.arange(rule.k)[:, None] < t, indices, width)
            product = product.at[jnp.arange(batch), taken].set(-jnp.inf, mode="drop")
        index = _argmax(product)
        rows = analysis[index]
        value = jnp.where(active, rectify((rows * residual).sum(-1) + offset[index]), 0.0)
        residual = residual - value[:, None] * atoms[index]
        done = jnp.square(residual).sum(-1) < limit
        if rule.on_repeat == "stop":
            done |= ((indices == index) & (values != 0)).any(0) | (value == 0)
        elif rule.slices == 1 and rule.select == "relu_max":
            done |= value == 0  # no product is positive, so no later step changes anything
        indices = indices.at[t].set(index)
        values = values.at[t].set(value)
        return t + 1, residual, indices, values, active & ~done

    start = (
        jnp.int32(0),
        x,
        jnp.zeros((rule.k, batch), jnp.int32),
        jnp.zeros((rule.k, batch), x.dtype),
        jnp.ones(batch, bool),
    )
    used, residual, indices, values, _ = jax.lax.while_loop(cond, step, start)
    return Path(indices.T, values.T, residual), used


def _save(rule, x, atoms, analysis, offset, selector, tol):
    path, used = _forward(rule, x, atoms, analysis, offset, selector, tol)
    return path, (path, used, atoms, analysis, offset, selector, tol)


def _backward(rule, saved, cotangent):
    path, used, atoms, analysis, offset, selector, tol = saved
    indices, values, grad_values = path.indices.T, path.values.T, cotangent.values.T
    # A step has a derivative where its value is not 0: clipped and untaken steps have none.
    open_gate = (values != 0).astype(values.dtype)
    through = 0.0 if rule.grad_residual == "detach" else 1.0

    def step(back, carry):
        residual, grad, grad_atoms, grad_analysis, grad_offset = carry
        t = used - 1 - back
        index, value = indices[t], values[t][:, None]
        row, weigh = atoms[index], analysis[index]
        slope = (grad_values[t] - (row * grad).sum(-1)) * open_gate[t]
        residual = residual + value * row
        grad_atoms = grad_atoms.at[index].add(-value * grad)
        grad_analysis = grad_analysis.at[index].add(slope[:, None] * residual)
        grad_offset = grad_offset.at[index].add(slope)
        grad = grad + through * slope[:, None] * weigh
        return residual, grad, grad_atoms, grad_analysis, grad_offset

    start = (
        path.residual,
        cotangent.residual,
        jnp.zeros_like(atoms),
        jnp.zeros_like(analysis),
        jnp.zeros_like(offset),
    )
    _, grad_x, *rest = jax.lax.fori_loop(0, used, step, start)
    return grad_x, *rest, jnp.zeros_like(selector), jnp.zeros_like(tol)


pursue.defvjp(_save, _backward)


def _argmax(product: Float[Array, "batch width"]) -> Int[Array, " batch"]:
    """First index of the row maximum; two vector passes, several times faster on CPU than argmax."""
    best = product.max(-1, keepdims=True)
    places = jax.lax.broadcasted_iota(jnp.int32, product.shape, 1)
    # A NaN row equals nothing: it takes atom 0 and stays NaN instead of indexing out of bounds.
    return jnp.where(product == best, places, product.shape[1]).min(-1) % product.shape[1]
