"""Graph pooling, compared with the same in float64 numpy."""

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.cast.pooling import GraphPooling, centres

WIDTH = 6


def test_centres_are_farthest_points():
    """Unit vectors at angles of a circle: the mean lies near 10 degrees, then come the farthest."""
    angles = np.deg2rad([[0, 10, 20, 100, -80, 190], [10, 0, 20, -80, 100, 190]])
    keys = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)], -1))
    np.testing.assert_array_equal(centres(keys, 4), [[1, 5, 3, 4], [0, 5, 3, 4]])


def some_params(net, tokens, rng):
    """Every one of them random, biases too."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), tokens)["params"]
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), shapes)


def test_groups_and_their_tokens_are_those_of_float64():
    rng = np.random.default_rng(1)
    tokens = rng.normal(size=(3, 9, WIDTH)).astype(np.float32)
    net = GraphPooling(3)
    params = some_params(net, tokens, rng)
    coarse, joined = jax.jit(net.apply)({"params": params}, tokens)
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    for i, rows in enumerate(tokens.astype(np.float64)):
        normed = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-6)
        normed = normed * p["LayerNorm_0"]["scale"] + p["LayerNorm_0"]["bias"]
        keys = normed @ p["Dense_0"]["kernel"]
        keys /= np.linalg.norm(keys, axis=1, keepdims=True)
        chosen = [int((keys @ keys.mean(0)).argmax())]
        while len(chosen) < 3:
            chosen.append(int((keys @ keys[chosen].T).max(1).argmin()))
        group = (keys @ keys[chosen].T).argmax(1)
        np.testing.assert_array_equal(joined[i], group)
        for k, centre in enumerate(chosen):
            h = normed[group == k].mean(0) @ p["Dense_2"]["kernel"] + p["Dense_2"]["bias"]
            h *= (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3))) / 2  # flax's gelu
            update = h @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
            np.testing.assert_allclose(coarse[i, k], rows[centre] + update, atol=2e-4)


def test_the_gradient_reaches_the_map_that_chooses():
    rng = np.random.default_rng(2)
    tokens = rng.normal(size=(2, 8, WIDTH)).astype(np.float32)
    net = GraphPooling(2)
    params = some_params(net, tokens, rng)
    slope = jax.jit(jax.grad(lambda p: jnp.sum(jnp.sin(net.apply({"params": p}, tokens)[0]))))(params)
    assert np.abs(slope["Dense_0"]["kernel"]).max() > 1e-4
