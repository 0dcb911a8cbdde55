"""What a train step of matching pursuit may hold: nothing of size batch · k · width, at any point."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from pursuit_oracle import as_jax, problem

from mpsae.pursuit import Path
from mpsae.routes import reverse
from mpsae.routes.rule import Dictionary, Encoder, Rule
from mpsae.sae import Context
from mpsae.saes.mp import MatchingPursuit

BATCH, K, WIDTH, DIM = 96, 7, 41, 5  # no two products of sizes are equal by chance


def shapes(jaxpr):
    """Shapes of all values in a jaxpr and in those inside it."""
    for equation in jaxpr.eqns:
        for variable in (*equation.invars, *equation.outvars):
            yield getattr(variable.aval, "shape", ())
        for inner in jaxprs_in_params(equation.params):
            yield from shapes(inner)


def sizes(function, *args):
    return {math.prod(shape) for shape in shapes(jax.make_jaxpr(function)(*args).jaxpr)}


def step(sae, width=WIDTH):
    """Loss and gradient, and what they are taken at."""
    params, x = as_jax(problem(sae, rows=BATCH, dim=DIM, width=width), jnp.float32)
    ctx = Context(step=0, steps=1, key=jax.random.key(0), state={})
    return jax.value_and_grad(lambda params, x: sae.loss(params, x, ctx)[0]), params, x


@pytest.mark.parametrize("analysis", ["tied", "untied_bias"])
@pytest.mark.parametrize("route", ["residual", "gram", "screened", "screened_gram"])
def test_a_train_step_holds_no_cube(route, analysis):
    sae = MatchingPursuit(k=K, route=route, analysis=analysis, step_size="plain")
    found = sizes(*step(sae))
    assert BATCH * WIDTH in found  # the search has arrived inside the loops
    assert max(found) <= max(BATCH * WIDTH, WIDTH * WIDTH)


def test_the_search_finds_a_one_hot():
    def dense(values, indices):
        def body(total, value):
            return total + (value[:, None] * jax.nn.one_hot(indices, WIDTH)).sum(), None

        return jax.lax.scan(body, 0.0, values)[0]

    assert BATCH * WIDTH in sizes(dense, jnp.ones((K, BATCH)), jnp.zeros(BATCH, jnp.int32))


@pytest.mark.parametrize("encoder", [False, True])
def test_the_gradient_holds_nothing_as_wide_as_the_dictionary_per_row(encoder):
    """Only rows, codes, and the gradients of the dictionary themselves."""
    atoms = jnp.ones((WIDTH, DIM))
    book = Dictionary(atoms, Encoder(atoms, jnp.ones(WIDTH)) if encoder else None)
    path = Path(jnp.zeros((BATCH, K), jnp.int32), jnp.ones((BATCH, K)), jnp.ones((BATCH, DIM)))
    found = sizes(
        lambda book, path: reverse.sweep(Rule(K), book, path, path, rows=BATCH // 2 + 1), book, path
    )
    rows = 2 * -(-BATCH // 2)  # in two blocks of equal length
    assert rows * K in found
    assert max(found) <= max(rows * K, WIDTH * DIM)


def test_compiled_the_whole_step_is_as_small():
    """XLA's own count of temporary memory: a few products, far below a cube."""
    width, k = 400, 64
    function, params, x = step(MatchingPursuit(k=k, route="residual"), width)
    memory = jax.jit(function).lower(params, x).compile().memory_analysis()
    few, cube_of_bits = 8 * np.dtype("float32").itemsize * BATCH * width, BATCH * k * width
    assert 0 < memory.temp_size_in_bytes < few < cube_of_bits
