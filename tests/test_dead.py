"""Counting silent latents, and AuxK against a float64 loop."""

import functools

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.code import Code
from mpsae.dead import WithAuxK, silence
from mpsae.sae import Context
from mpsae.saes.topk import TopK
from mpsae.sparse import SMALL

BATCH, WIDTH, DIM = 6, 8, 5
RNG = np.random.default_rng(0)
PRE = RNG.normal(size=(BATCH, WIDTH)).astype(np.float32)
ATOMS = RNG.normal(size=(WIDTH, DIM)).astype(np.float32)
ERROR = RNG.normal(size=(BATCH, DIM)).astype(np.float32)
DEAD = np.array([1, 0, 1, 1, 0, 1, 0, 1], bool)


class Given(WithAuxK, name="test_dead_given", abstract=True):
    """Pre-activations that are themselves the params."""

    def preactivation(self, params, x):
        return params["pre"]

    def chosen(self, params, x, values, indices):
        return Code(values=values, indices=indices, width=len(params["atoms"]))


def oracle(pre, atoms, error, dead, k):
    """‖e - ê‖² / ‖e - mean e‖² with loops, in float64."""
    pre, atoms, error = (np.asarray(a, float) for a in (pre, atoms, error))
    guess = np.zeros_like(error)
    for row in range(len(pre)):
        candidates = [(pre[row, i], i) for i in range(len(atoms)) if dead[i] and pre[row, i] > 0]
        for value, i in sorted(candidates, reverse=True)[:k]:
            guess[row] += value * atoms[i]
    return ((error - guess) ** 2).sum() / ((error - error.mean(0)) ** 2).sum()


def test_silence_counts_steps_since_firing():
    silent = jnp.zeros(4, jnp.int32)
    seen = []
    for row in ([1, 0, 0, 0.1], [0, 0, 2, 0], [0, 0, 0, 0], [3, 0, 0, 0]):
        silent = silence(silent, Code(values=jnp.array([[0.0] * 4, row]), width=4))
        seen.append(silent.tolist())
    assert seen == [[0, 1, 1, 0], [1, 2, 0, 1], [2, 3, 1, 2], [0, 4, 2, 3]]
    assert silent.dtype == jnp.int32


def test_silence_of_a_sparse_code_ignores_padding():
    code = Code(values=jnp.array([[1.0, 0.0]]), indices=jnp.array([[2, 0]]), width=3)
    assert silence(jnp.array([5, 5, 5], jnp.int32), code).tolist() == [6, 6, 0]


def auxk(pre, atoms, error, dead, k):
    """The AuxK term of an SAE whose pre-activations are `pre`: x is e, the code is empty, auxk is 1."""
    sae = Given(auxk_k=k, auxk=1.0, dead_window=1.0)
    params = {"atoms": atoms, "bias": jnp.zeros(DIM), "pre": pre}
    empty = Code(values=jnp.zeros_like(pre), width=WIDTH)
    ctx = Context(step=0, steps=1, key=None, state={"silent": jnp.asarray(dead, jnp.int32)})
    return sae.penalty(params, error, empty, ctx)


@pytest.mark.parametrize("k", [1, 2, 3, WIDTH, 10 * WIDTH])
def test_auxk_matches_oracle(k):
    got = auxk(jnp.asarray(PRE), jnp.asarray(ATOMS), jnp.asarray(ERROR), jnp.asarray(DEAD), k)
    np.testing.assert_allclose(got, oracle(PRE, ATOMS, ERROR, DEAD, k), rtol=1e-5)


def test_auxk_is_zero_without_dead_latents_and_on_undefined_ratios():
    args = jnp.asarray(PRE), jnp.asarray(ATOMS)
    assert float(auxk(*args, jnp.asarray(ERROR), jnp.zeros(WIDTH, bool), 2)) == 0
    constant = jnp.ones((BATCH, DIM))  # no variance: 0 instead of a division by 0
    assert float(auxk(*args, constant, jnp.asarray(DEAD), 2)) == 0
    grads = jax.grad(auxk, (0, 1))(*args, constant * 0, jnp.asarray(DEAD), 2)
    assert all(np.isfinite(grad).all() for grad in grads)


def test_auxk_is_one_when_dead_latents_say_nothing_about_a_centred_error():
    centred = ERROR - ERROR.mean(0)
    got = auxk(-jnp.abs(jnp.asarray(PRE)), jnp.asarray(ATOMS), jnp.asarray(centred), jnp.asarray(DEAD), 2)
    np.testing.assert_allclose(got, 1.0, rtol=1e-6)


def test_auxk_gradients_are_those_of_the_oracle():
    def value(pre, atoms, error):
        return auxk(pre, atoms, error, jnp.asarray(DEAD), 2)

    arrays = [PRE, ATOMS, ERROR]
    grads = jax.grad(value, (0, 1, 2))(*map(jnp.asarray, arrays))
    np.testing.assert_array_equal(grads[2], 0.0)  # the error is a constant
    for which in (0, 1):
        numeric = np.zeros_like(arrays[which], float)
        for place in np.ndindex(*numeric.shape):
            both = []
            for sign in (1, -1):
                moved = [np.array(a, float) for a in arrays]
                moved[which][place] += sign * 1e-6
                both.append(oracle(*moved, DEAD, 2))
            numeric[place] = (both[0] - both[1]) / 2e-6
        np.testing.assert_allclose(grads[which], numeric, atol=1e-5)
    alive = ~DEAD
    np.testing.assert_array_equal(grads[0][:, alive], 0.0)
    np.testing.assert_array_equal(grads[1][alive], 0.0)


WIDE = SMALL + 44  # a dictionary whose gradient is sparse


@functools.cache
def wide_gradients(auxk_k, centre):
    """Loss and gradient of a wide dictionary at (params, x, silent): its own, and of the dense form."""
    sae = TopK(k=3, auxk=0.7, auxk_k=auxk_k, dead_window=10.0, centre=centre)

    def own(params, x, silent):
        return sae.loss(params, x, Context(step=0, steps=1, key=None, state={"silent": silent}))[0]

    def dense(params, x, silent):
        shift = params["bias"] if centre == "bias" else 0.0
        positive = jax.nn.relu((x - shift) @ params["encoder"] + params["encoder_bias"])

        def decoded(positive, k):
            smallest = jax.lax.stop_gradient(jax.lax.top_k(positive, k)[0][:, -1:])
            return jnp.where(positive >= smallest, positive, 0.0) @ params["atoms"]

        error = x - decoded(positive, 3) - params["bias"]
        fixed = jax.lax.stop_gradient(error)
        guess = decoded(positive * (silent >= 10), auxk_k)
        aux = ((fixed - guess) ** 2).sum() / ((fixed - fixed.mean(0)) ** 2).sum()
        return (error**2).sum(1).mean() + jnp.where((silent >= 10).any(), 0.7 * aux, 0.0)

    return jax.jit(lambda *args: [jax.value_and_grad(f, (0, 1))(*args) for f in (own, dense)])


@pytest.mark.parametrize("asleep", [0, 5, 40])  # none, fewer and more than the AuxK budget
@pytest.mark.parametrize("auxk_k", [4, 35])  # by entries and by products
@pytest.mark.parametrize("centre", ["bias", "none"])
def test_gradient_of_a_wide_loss_is_that_of_the_dense_form(asleep, auxk_k, centre):
    rng = np.random.default_rng(2)
    silent = np.zeros(WIDE, np.int32)
    silent[rng.choice(WIDE, asleep, replace=False)] = 10
    with jax.enable_x64(True):
        params = {
            "atoms": rng.normal(size=(WIDE, DIM)),
            "bias": rng.normal(size=DIM),
            "encoder": rng.normal(size=(DIM, WIDE)),
            "encoder_bias": rng.normal(size=WIDE),
        }
        params = {name: jnp.asarray(value) for name, value in params.items()}
        x = jnp.asarray(rng.normal(size=(BATCH, DIM)))
        got, wanted = wide_gradients(auxk_k, centre)(params, x, silent)
        for one, two in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            assert one.dtype == jnp.float64
            np.testing.assert_allclose(one, two, atol=1e-10)


def products(jaxpr):
    """Every matrix product of a program, those of branches not taken by default left out."""
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            yield equation
        if equation.primitive.name != "cond":
            for inner in jax.extend.core.jaxprs_in_params(equation.params):
                yield from products(inner)


def test_a_wide_loss_multiplies_with_the_dictionary_only_forward():
    sae, batch, width = TopK(k=2), 32, 4 * SMALL
    params = sae.init(jax.random.key(0), 16, width)
    ctx = Context(step=0, steps=1, key=None, state=sae.init_state(params))
    program = jax.make_jaxpr(jax.grad(lambda p: sae.loss(p, jnp.ones((batch, 16)), ctx)[0]))(params)
    matrices = [eqn for eqn in products(program.jaxpr) if eqn.invars[1].aval.ndim == 2]
    assert matrices
    for equation in matrices:
        assert equation.outvars[0].aval.shape == (batch, width)
        assert equation.invars[1].aval.shape == (16, width)
