"""The schedule against its closed form, the optax chain against a float64 Adam."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mpsae.optim import PAPER_TOY, Optim


def paper_rate(step, steps=15_000, lr=3e-2):
    """Linear over 100 steps, constant, linear to a tenth over the last fifth."""
    if step < 100:
        return lr * step / 100
    if step < 0.8 * steps:
        return lr
    return lr * (1 - 0.9 * (step - 0.8 * steps) / (0.2 * steps))


def test_paper_recipe_rates():
    for step in (0, 1, 37, 99, 100, 101, 5000, 11_999, 12_000, 12_001, 13_500, 14_999, 15_000):
        np.testing.assert_allclose(PAPER_TOY.rate(step), paper_rate(step), rtol=1e-5)
    assert float(PAPER_TOY.rate(0)) == 0.0
    np.testing.assert_allclose(PAPER_TOY.rate(100), 3e-2)
    np.testing.assert_allclose(PAPER_TOY.rate(13_500), 0.55 * 3e-2, rtol=1e-6)
    np.testing.assert_allclose(PAPER_TOY.rate(15_000), 0.1 * 3e-2, rtol=1e-6)


def test_paper_recipe_numbers():
    assert (PAPER_TOY.beta1, PAPER_TOY.beta2, PAPER_TOY.clip) == (0.5, 0.9375, 1.0)
    assert (PAPER_TOY.steps, PAPER_TOY.batch, PAPER_TOY.lr) == (15_000, 200, 3e-2)


def test_rate_without_decay_is_constant_and_never_negative():
    flat = Optim(steps=50, decay=0.0, warmup=10.0)
    np.testing.assert_allclose(flat.rate(jnp.arange(10, 51)), 3e-4, rtol=1e-6)
    bare = Optim(steps=50, decay=1.0, floor=0.0, warmup=1.0, lr=1.0)
    np.testing.assert_allclose(bare.rate(jnp.arange(1, 51)), 1 - np.arange(1, 51) / 50, atol=1e-6)
    assert float(bare.rate(1000)) == 0.0


def clipped_adam(params, grads_of_step, optim):
    """float64: scale to the global norm, Adam with bias correction, the schedule of step 0, 1, ..."""
    mean = {name: np.zeros_like(value) for name, value in params.items()}
    square = {name: np.zeros_like(value) for name, value in params.items()}
    trace = []
    for step, grads in enumerate(grads_of_step):
        norm = np.sqrt(sum((grad**2).sum() for grad in grads.values()))
        factor = min(1.0, optim.clip / norm)
        for name in params:
            grad = grads[name] * factor
            mean[name] = optim.beta1 * mean[name] + (1 - optim.beta1) * grad
            square[name] = optim.beta2 * square[name] + (1 - optim.beta2) * grad**2
            first = mean[name] / (1 - optim.beta1 ** (step + 1))
            second = square[name] / (1 - optim.beta2 ** (step + 1))
            rate = optim.lr * min(step / optim.warmup, 1.0)
            late = np.clip((step - (1 - optim.decay) * optim.steps) / (optim.decay * optim.steps), 0, 1)
            rate *= 1 - (1 - optim.floor) * late
            params[name] = params[name] - rate * first / (np.sqrt(second) + 1e-8)
        trace.append({name: value.copy() for name, value in params.items()})
    return trace


@pytest.mark.parametrize("beta1, beta2, clip", [(0.5, 0.9375, 1.0), (0.9, 0.999, 1.0), (0.9, 0.999, 1e9)])
def test_transform_is_clipped_adam(beta1, beta2, clip):
    rng = np.random.default_rng(0)
    shapes = {"atoms": (4, 3), "bias": (3,)}
    optim = Optim(steps=20, lr=1e-2, warmup=5.0, beta1=beta1, beta2=beta2, clip=clip)
    start = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    # Some gradients are far below the clip, some far above it.
    grads = [
        {name: 10.0 ** rng.uniform(-2, 2) * rng.normal(size=shape) for name, shape in shapes.items()}
        for _ in range(20)
    ]
    expected = clipped_adam(dict(start), grads, optim)
    params = {name: jnp.asarray(value, jnp.float32) for name, value in start.items()}
    transform = optim.transform()
    state, step = transform.init(params), jax.jit(transform.update)
    for grad, wanted in zip(grads, expected, strict=True):
        grad = {name: jnp.asarray(value, jnp.float32) for name, value in grad.items()}
        updates, state = step(grad, state)
        params = optax.apply_updates(params, updates)
        for name in params:
            np.testing.assert_allclose(params[name], wanted[name], rtol=2e-5, atol=1e-6)


def test_first_step_moves_nothing_with_a_warmup():
    params = {"atoms": jnp.ones((2, 2))}
    transform = Optim(lr=1.0).transform()
    updates, _ = transform.update(params, transform.init(params))
    np.testing.assert_array_equal(updates["atoms"], 0.0)


def test_zero_gradient_gives_finite_zero_update():
    params = {"atoms": jnp.ones((2, 2))}
    transform = Optim(warmup=0.0).transform()
    state = transform.init(params)
    for _ in range(3):
        updates, state = transform.update({"atoms": jnp.zeros((2, 2))}, state)
        np.testing.assert_array_equal(updates["atoms"], 0.0)


@pytest.mark.parametrize("field, value", [("lr", -1.0), ("decay", 1.5), ("steps", 0), ("lr", float("nan"))])
def test_validate_names_the_field(field, value):
    with pytest.raises(ValueError, match=rf"optim\.{field} = "):
        Optim(**{field: value}).validate()


def test_without_warmup_the_first_step_has_the_full_rate():
    np.testing.assert_allclose(Optim(warmup=0.0, lr=0.1).rate(0), 0.1)


def test_an_infinite_rate_is_refused():
    with pytest.raises(ValueError, match=r"optim\.lr = inf"):
        Optim(lr=float("inf")).validate()
