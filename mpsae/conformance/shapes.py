"""Shapes and dtypes: of fresh params, of codes, in mixed precision."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from mpsae.code import Code
from mpsae.conformance.case import BATCH, DIM, WIDTH, Case, checked, demand, finite, named


@checked
def init(case: Case) -> None:
    """Fresh params: a dict of finite float32 arrays with atoms [width, dim], decided by the key."""
    params = case.sae.init(jax.random.key(0), DIM, WIDTH)
    demand(isinstance(params, dict), f"init returns a {type(params).__name__}, must be a dict of arrays")
    demand("atoms" in params, "init returns no 'atoms': params must hold the decoder rows under that name")
    for name, leaf in named(params).items():
        kind = getattr(leaf, "dtype", type(leaf).__name__)
        demand(kind == jnp.float32, f"init: params {name} is {kind}, must be float32")
        demand(finite(leaf), f"init: params {name} has a value that is not finite")
    found = tuple(params["atoms"].shape)
    demand(found == (WIDTH, DIM), f"init: atoms has shape {found}, must be [width, dim] = {(WIDTH, DIM)}")
    again = case.sae.init(jax.random.key(0), DIM, WIDTH)
    for name, leaf in named(params).items():
        demand(
            np.array_equal(leaf, named(again)[name]),
            f"init: params {name} differs between two calls with one key; draw only from the key",
        )
    other = case.sae.init(jax.random.key(1), DIM, WIDTH)
    demand(
        not np.array_equal(params["atoms"], other["atoms"]),
        "init: atoms are the same for two keys; draw them from the key",
    )
    for name in case.sae.idle:
        demand(
            any(leaf == name or leaf.startswith(name + ".") for leaf in named(params)),
            f"idle names {name!r}, which is not in params",
        )


@checked
def code(case: Case) -> None:
    """encode returns a Code of the batch's size, in the dtype of x, with indices inside the atoms."""
    for params in (case.fresh, case.perturbed):
        found = case.encode(case.sae, params, case.x)
        demand(
            isinstance(found, Code), f"encode returns a {type(found).__name__}, must be an mpsae.code.Code"
        )
        demand(
            found.width == WIDTH, f"encode: Code.width is {found.width}, must be {WIDTH}, the number of atoms"
        )
        demand(
            found.values.dtype == case.x.dtype,
            f"encode: values are {found.values.dtype} for x of {case.x.dtype}; keep the dtype of x",
        )
        shape = found.values.shape
        demand(
            len(shape) == 2 and shape[0] == BATCH,
            f"encode: values have shape {shape}, must be [batch, ...] with batch = {BATCH}",
        )
        if found.indices is None:
            demand(
                shape[1] == WIDTH,
                f"encode: dense values have shape {shape}, must be [batch, width] = {(BATCH, WIDTH)}",
            )
        else:
            _indices(found.values, found.indices)
        rebuilt = case.sae.decode(params, found)
        demand(
            rebuilt.shape == case.x.shape and rebuilt.dtype == case.x.dtype,
            f"decode returns {rebuilt.dtype} {rebuilt.shape}, must be {case.x.dtype} {case.x.shape}",
        )


@checked
def bfloat16(case: Case) -> None:
    """bfloat16 rows encode and decode, with float32 params and with bfloat16 params."""
    rows = case.x.astype(jnp.bfloat16)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), case.fresh)
    for params, what in ((case.fresh, "float32"), (narrow, "bfloat16")):
        found = jax.eval_shape(case.sae.encode, params, rows)
        jax.eval_shape(case.sae.decode, params, found)
        jax.eval_shape(lambda p: case.sae.loss(p, rows, case.context(case.state)), params)
        demand(
            jnp.issubdtype(found.values.dtype, jnp.floating),
            f"encode: values are {found.values.dtype} for bfloat16 rows and {what} params; must be floating",
        )
    values = case.encode(case.sae, case.fresh, rows)
    demand(finite(values), "encode: a code of bfloat16 rows is not finite")


@checked
def promotion(case: Case) -> None:
    """No two dtypes are mixed in encode, decode, project and project_grad."""
    sae = case.sae

    # Not in loss and update: there the whole number ctx.step meets float hyperparameters.
    def everything(params, x):
        rebuilt = sae.decode(params, sae.encode(params, x))
        return rebuilt, sae.project(params), sae.project_grad(params, params)

    with jax.numpy_dtype_promotion("strict"):
        jax.eval_shape(everything, case.fresh, case.x)


def _indices(values: Array, indices: Array) -> None:
    demand(
        indices.shape == values.shape and jnp.issubdtype(indices.dtype, jnp.integer),
        f"encode: indices must be integers of the shape of values {values.shape}, not"
        f" {indices.dtype} {indices.shape}",
    )
    low, high = int(indices.min()), int(indices.max())
    demand(
        low >= 0 and high < WIDTH,
        f"encode: indices run from {low} to {high}, must be in 0 to {WIDTH - 1}; pad with value 0",
    )
