"""Training of CAST: the loss by numpy, the same params from the same seed, and that it learns."""

import jax
import numpy as np
import pytest

from mpsae.cast import network
from mpsae.cast.training import contrastive, fresh, shapes, train
from mpsae.clip.text import TextTower
from mpsae.embed.scenes import SHIPPED


@pytest.fixture
def small(monkeypatch):
    """Two levels: half of what there is to compile."""
    monkeypatch.setattr(network, "LEVELS", (64, 4))
    monkeypatch.setattr(network, "BLOCKS", (1, 1))
    shapes.cache_clear()
    yield
    shapes.cache_clear()


def test_the_loss_is_the_mean_of_both_cross_entropies():
    rng = np.random.default_rng(0)
    images, texts = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in rng.normal(size=(2, 5, 3))
    )
    logits = 7 * images @ texts.T
    there = [-np.log(np.exp(way.diagonal()) / np.exp(way).sum(1)).mean() for way in (logits, logits.T)]
    assert float(contrastive(images, texts, 7.0)) == pytest.approx(np.mean(there), rel=1e-5)


def test_fresh_params_are_of_the_seed_and_in_proportion():
    one, same, other = fresh(3), fresh(3), fresh(4)
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one, same)))
    for leaf in jax.tree.leaves(one):
        if leaf.ndim > 1:
            assert np.std(leaf) * np.sqrt(np.prod(leaf.shape[:-1])) == pytest.approx(1, abs=0.25)
    assert not np.array_equal(one["class"], other["class"])
    assert (one["LayerNorm_0"]["scale"] == 1).all() and (one["LayerNorm_0"]["bias"] == 0).all()


def test_it_learns_and_repeats_itself(small):
    runs = [train(fresh(0), TextTower(SHIPPED), steps=12, groups=1, seed=2) for _ in range(2)]
    (params, losses), (again, repeated) = runs
    assert losses == repeated and len(losses) == 12
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, params, again)))
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.3
