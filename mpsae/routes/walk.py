"""The loop over steps, for one block of rows."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from mpsae.routes.rule import SELECT, Dictionary, Rule
from mpsae.routes.way import Way


class View(NamedTuple):
    """How products become scores at step t: their sign, and atoms that may not be taken."""

    rule: Rule
    step: Int[Array, ""]
    taken: Int[Array, "k batch"]

    @property
    def steps(self) -> int:
        """The most steps of the walk."""
        return self.rule.k

    def score(self, products: Array) -> Array:
        """What ranks a product, before any atom is hidden."""
        return SELECT[self.rule.select][0](products)

    def __call__(self, products: Float[Array, "batch width"]) -> Float[Array, "batch width"]:
        """The scores; -inf for an atom that may not be taken."""
        scores = self.score(products)
        batch, width = scores.shape
        if self.rule.slices > 1:
            slot = jnp.arange(width) // -(-width // self.rule.slices)
            scores = jnp.where(slot == self.step % self.rule.slices, scores, -jnp.inf)
        if self.rule.on_repeat == "ban":
            # Steps not yet taken point past the last atom and so ban nothing.
            taken = jnp.where(jnp.arange(self.rule.k)[:, None] < self.step, self.taken, width)
            scores = scores.at[jnp.arange(batch), taken].set(-jnp.inf, mode="drop")
        return scores

    def rate(self, scores, index, value):
        """The score of one exact product per row; -inf where `scores` say that the atom may not be taken."""
        rated = self.score(value)
        if self.rule.slices == 1 and self.rule.on_repeat != "ban":
            return rated
        seen = jnp.take_along_axis(scores, index[:, None], 1, mode="promise_in_bounds")[:, 0]
        return jnp.where(seen == -jnp.inf, -jnp.inf, rated)


def walk(rule: Rule, way: Way, book: Dictionary, tables, tol, x, state):
    """(indices [batch, k], values [batch, k], residual, sure [batch]) of the rows of x.

    A row ends early as `rule` and `tol` say; the loop ends with its last row.
    """
    rectify = SELECT[rule.select][1]
    limit = jnp.square(tol) * (jnp.square(x).sum(-1) if rule.tol_kind == "relative" else 1.0)

    def cond(carry):
        t, active = carry[0], carry[-1]
        return (t < rule.k) & active.any()

    def step(carry):
        t, residual, state, indices, values, sure, active = carry
        index, value, certain = way.pick(book, tables, state, residual, View(rule, t, indices))
        value = jnp.where(active, rectify(value), 0.0)
        state = way.advance(book, tables, state, index, value)
        residual = residual - value[:, None] * book.atoms.at[index].get(mode="promise_in_bounds")
        done = jnp.square(residual).sum(-1) < limit
        if rule.on_repeat == "stop":
            done |= ((indices == index) & (values != 0)).any(0) | (value == 0)
        elif rule.slices == 1 and rule.select == "relu_max":
            done |= value == 0  # no product is positive, so no later step changes anything
        indices = indices.at[t].set(index)
        values = values.at[t].set(value)
        return t + 1, residual, state, indices, values, sure & (certain | ~active), active & ~done

    batch = len(x)
    start = (
        jnp.int32(0),
        x,
        state,
        jnp.zeros((rule.k, batch), jnp.int32),
        jnp.zeros((rule.k, batch), x.dtype),
        jnp.ones(batch, bool),
        jnp.ones(batch, bool),
    )
    _, residual, _, indices, values, sure, _ = jax.lax.while_loop(cond, step, start)
    return indices.T, values.T, residual, sure
