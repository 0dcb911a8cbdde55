"""The read-out against closed forms."""

import numpy as np
import pytest

from mpsae.clip.readout import RIDGE, TREES, Discriminant, accuracies, explained, offset_cosine, pairing
from synthetic.scenes import NAMES, PARENTS

MEANS = np.array([[0.0, 0.0, 0.0], [2.0, 1.0, 0.0], [-1.0, 2.0, 3.0]])
SPREAD = np.array([1.0, 2.0, 0.5])  # rows lie at mean ± spread along each axis


def cloud(repeats=(1, 1, 1)):
    """Around each mean, six rows whose covariance is exactly diag(SPREAD² / 3)."""
    star = np.concatenate([np.diag(SPREAD), -np.diag(SPREAD)])
    rows = [np.tile(mean + star, (times, 1)) for mean, times in zip(MEANS, repeats, strict=True)]
    return np.concatenate(rows), np.repeat(np.arange(3), [6 * times for times in repeats])


@pytest.mark.parametrize("repeats", [(1, 1, 1), (5, 1, 2)])
def test_discriminant_is_the_closed_form_whatever_the_class_sizes(repeats):
    """Equal priors: unequal classes give the same weights and the same threshold half way."""
    rule = Discriminant(*cloud(repeats))
    variance = SPREAD**2 / 3
    variance = variance + RIDGE * variance.mean()
    np.testing.assert_allclose(rule.weights.T, MEANS / variance, atol=1e-12)
    np.testing.assert_allclose(rule.offsets, -0.5 * (MEANS**2 / variance).sum(1), atol=1e-12)
    between = (MEANS[0] + MEANS[1]) / 2
    nudge = 1e-6 * (MEANS[1] - MEANS[0])
    assert rule(np.stack([between - nudge, between + nudge])).tolist() == [0, 1]


def test_discriminant_of_known_normals_makes_the_errors_it_must():
    """Two normals at distance d in the metric of their covariance: error Φ(-d/2)."""
    rng = np.random.default_rng(0)
    mix = np.array([[1.0, 0.0], [0.8, 0.4]])
    classes = np.arange(40000) % 2
    rows = rng.standard_normal((40000, 2)) @ mix.T + np.outer(classes, mix @ [2.0, 0.0])
    found = accuracies(rows[:20000], {"a": classes[:20000]}, rows[20000:], {"a": classes[20000:]})
    assert found["a"] == pytest.approx(0.841345, abs=0.01)  # Φ(1)


def test_discriminant_needs_every_class():
    with pytest.raises(ValueError, match="none of the 2 rows is of class 1"):
        Discriminant(np.eye(2), np.array([0, 2]))


def test_pairing_of_known_rows():
    images = np.eye(4)
    texts = np.eye(4)[[0, 1, 3, 2]]
    found = pairing(images, texts)
    assert found == {"image_to_text": 0.5, "text_to_image": 0.5, "gap": 0.0, "pair_cosine": 0.5}
    same = pairing(images, np.tile([[1.0, 0, 0, 0]], (4, 1)))  # all captions alike: ties are misses
    assert same["image_to_text"] == 0
    assert same["gap"] == pytest.approx(np.linalg.norm([0.75, 0.25, 0.25, 0.25]))


def test_explained_is_the_nested_sum_of_squares():
    """Two parents at ±1, children at ±.5 around them, rows at ±.25 around those, each on its own axis."""
    parent, child, leaf = (np.array(column) for column in zip(*np.ndindex(2, 2, 2), strict=True))
    rows = np.stack([1.0 - 2 * parent, 0.5 - child, 0.25 - 0.5 * leaf], axis=1)
    total = 1 + 0.25 + 0.0625
    np.testing.assert_allclose(explained(rows, [parent, 2 * parent + child]), [1 / total, 0.25 / total])


def test_offset_cosine_of_known_angles():
    """Children along the parent's own axis: 1; across it: 0; a parent's only child does not count."""
    above, below = np.array([0, 0, 1, 1]), np.arange(4)
    along = np.array([[1.5, 0], [0.5, 0], [-1.5, 0], [-0.5, 0]])
    across = np.array([[1, 0.5], [1, -0.5], [-1, 0.5], [-1, -0.5]])
    assert offset_cosine(along, above, below) == pytest.approx(1)
    assert offset_cosine(across, above, below) == pytest.approx(0, abs=1e-12)
    single = np.array([[2.0, 0], [-1, 1], [-1, -1]])
    assert offset_cosine(single, np.array([0, 1, 1]), np.arange(3)) == pytest.approx(0, abs=1e-12)


def test_trees_are_those_of_the_scenes():
    for levels in TREES.values():
        for above, below in zip(levels, levels[1:], strict=False):
            assert PARENTS[above][0] == below
    assert {level for levels in TREES.values() for level in levels} | {
        "shade",
        "size",
        "column",
        "count",
    } == set(NAMES)
