"""A term of the loss that is often absent, and then costs nothing, not even in the gradient."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PyTree


def only_if(
    needed: Bool[Array, ""], function: Callable[..., Array], constants: PyTree, *args: PyTree
) -> Float[Array, ""]:
    """`function(constants, *args)`, a number, where `needed`, else 0; differentiable in args.

    The derivative of `lax.cond` carries everything the gradient reads out of the branch, filled
    with zeros where the branch is not taken: whole dictionaries. This one reads `args` again and
    repeats the forward pass, only when there is a gradient. `function` may close over no array.
    """
    return _only_if(function, needed, constants, args)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _only_if(function, needed, constants, args):
    shape = jax.eval_shape(function, constants, *args)
    return jax.lax.cond(
        needed, lambda: function(constants, *args), lambda: jnp.zeros(shape.shape, shape.dtype)
    )


def _save(function, needed, constants, args):
    return _only_if(function, needed, constants, args), (needed, constants, args)


def _backward(function, saved, grad):
    needed, constants, args = saved

    def gradient():
        return jax.vjp(lambda *args: function(constants, *args), *args)[1](grad)

    def nothing():
        return jax.tree.map(jnp.zeros_like, args)

    return None, None, jax.lax.cond(needed, gradient, nothing)


_only_if.defvjp(_save, _backward)
