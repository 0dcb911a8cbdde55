"""Counting silent latents, and AuxK against a float64 loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae.code import Code
from mpsae.dead import auxk, silence

BATCH, WIDTH, DIM = 6, 8, 5
RNG = np.random.default_rng(0)
PRE = RNG.normal(size=(BATCH, WIDTH)).astype(np.float32)
ATOMS = RNG.normal(size=(WIDTH, DIM)).astype(np.float32)
ERROR = RNG.normal(size=(BATCH, DIM)).astype(np.float32)
DEAD = np.array([1, 0, 1, 1, 0, 1, 0, 1], bool)


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
