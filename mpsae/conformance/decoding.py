"""Decoding is affine: the atoms, weighted by the code, plus one constant row."""

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.code import Code
from mpsae.conformance.case import BATCH, WIDTH, Case, checked, close, demand


@checked
def decode(case: Case) -> None:
    """A sparse code decodes as its dense form, repeats included; a zero code gives the bias (or 0)."""
    draw, params, sae = np.random.default_rng(6), case.perturbed, case.sae
    indices = draw.integers(0, WIDTH, (BATCH, 4))
    indices[:, 1] = indices[:, 0]  # an atom taken twice adds
    values = jnp.asarray(draw.normal(size=(BATCH, 4)), jnp.float32)
    sparse = Code(values=values, indices=jnp.asarray(indices, jnp.int32), width=WIDTH)
    dense = Code(values=sparse.dense(), width=WIDTH)
    demand(
        close(sae.decode(params, sparse), sae.decode(params, dense)),
        "decode gives a sparse code another row than its dense form; an index that repeats must add,"
        " and code.decode(atoms) does both",
    )
    zero = np.asarray(sae.decode(params, Code(values=jnp.zeros((BATCH, WIDTH)), width=WIDTH)))
    bias = np.broadcast_to(np.asarray(params.get("bias", 0.0)), zero.shape)
    demand(
        close(zero, bias) or not zero.any(),
        "decode of a zero code must be params['bias'] (or 0): is the bias added twice?",
    )
    double = Code(values=2 * dense.values, width=WIDTH)
    demand(
        close(sae.decode(params, double) + zero, 2 * sae.decode(params, dense)),
        "decode is not affine in the code: doubling a code must double what it adds to the bias",
    )


@checked
def decode_gradient(case: Case) -> None:
    """At a fixed code, the squared error has the gradient 2·codeᵀ(x̂ - x) in the atoms."""
    params, x, sae = case.perturbed, case.x, case.sae
    code = Code(values=jax.nn.relu(x @ params["atoms"].T), width=WIDTH)

    def error(atoms):
        return jnp.square(x - sae.decode(params | {"atoms": atoms}, code)).sum()

    expected = 2 * code.values.T @ (sae.decode(params, code) - x)
    demand(
        close(jax.grad(error)(params["atoms"]), expected),
        "decode: the gradient in the atoms is not 2·codeᵀ(x̂ - x); is there a stop_gradient, or are"
        " the atoms changed before they decode?",
    )
