"""Pairs of rows against their closed forms: by float64 formulas and by sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synthetic.paired import paired_world

PAIRS, FEW = 100_000, 500
# Concept 0 is one feature, concept 1 has an image and a text direction, 2 is in images only, 3 in texts.
LAW = {
    "concept": [0, 1, 1, 2, 3],
    "present": [0.3, 0.5, 0.5, 0.2, 0.4],
    "shown": [[0.9, 0.6, 0.0, 1.0, 0.0], [0.5, 0.0, 0.8, 0.0, 1.0]],
    "gain": [[1.0, 2.0, 0.0, 0.7, 0.0], [1.5, 0.0, 0.5, 0.0, 1.2]],
    "kappa": 0.4,
}
TOGETHER = [[0, 1, 1, 2, 3], [0, 1, 1, 2, 3]]
APART = [[0, 1, 1, 2, 3], [4, 5, 5, 6, 7]]
PLACE = np.random.default_rng(1).normal(size=(2, 6)) / 3


def directions():
    rows = np.random.default_rng(0).normal(size=(5, 6))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def small(**fields):
    given = LAW | {"atoms": directions(), "draw": TOGETHER, "place": PLACE, "noise_std": [0.0, 0.0]}
    return paired_world(jax.random.key(0), **(given | fields))


DRAW = jax.jit(lambda world, key, n: world.sample(key, n), static_argnums=2)


def sides(world, pairs=PAIRS):
    """(image rows, text rows, image codes, text codes) in float64."""
    x, z = (np.asarray(part, np.float64) for part in DRAW(world, jax.random.key(1), 2 * pairs))
    return x[::2], x[1::2], z[::2], z[1::2]


@pytest.fixture(scope="module")
def many():
    """`sides` of the plain world."""
    return sides(small())


def close(samples, exact):
    """The mean of the samples is the number, within 4 standard errors (and float32)."""
    error = samples.std(0) / np.sqrt(len(samples))
    assert (np.abs(samples.mean(0) - exact) < 4 * error + 1e-6).all()


def test_marginals_and_conditional_means(many):
    world = small()
    *_, image, text = many
    present, shown, gain = (np.asarray(LAW[name]) for name in ("present", "shown", "gain"))
    prob = present * shown
    close(image > 0, prob[0])
    close(text > 0, prob[1])
    np.testing.assert_allclose(world.prob, prob.mean(0), rtol=1e-6)
    assert float(world.true_l0) == pytest.approx(prob.mean(0).sum(), rel=1e-6)
    mean = (prob * gain).sum(0) / prob.sum(0)
    np.testing.assert_allclose(world.mean, mean, rtol=1e-6)
    both = np.concatenate([image, text])
    for feature, value in enumerate(mean):
        close(both[both[:, feature] > 0, feature], value)
    on = image[image[:, 1] > 0, 1] / 2.0
    assert on.std() == pytest.approx(0.4, rel=0.02)


@pytest.mark.parametrize("draw", [TOGETHER, APART], ids=["coupled", "independent"])
def test_cross_moments(draw):
    world = small(draw=draw)
    *_, image, text = sides(world)
    (alpha, beta), (gain_image, gain_text) = LAW["shown"], LAW["gain"]
    present, concept = LAW["present"], LAW["concept"]
    square = 1 + 0.4**2 if draw is TOGETHER else 1.0
    moment = world.cross_moment()
    for i in range(5):
        for j in range(5):
            size = alpha[i] * gain_image[i] * beta[j] * gain_text[j]
            same = concept[i] == concept[j]
            expected = size * (present[i] * square if same else present[i] * present[j])
            assert moment[i, j] == pytest.approx(expected, rel=1e-6)
            close(image[:, i] * text[:, j], moment[i, j])
    covariance = world.cross_moment(centred=True)
    np.testing.assert_allclose(covariance, moment - np.outer(*world.expected), atol=1e-12)
    other = np.asarray(concept)[:, None] != np.asarray(concept)
    assert np.all(covariance[other] == 0)


@pytest.mark.parametrize("centred", [False, True])
def test_the_bridge_sums_to_the_mean_product_of_what_the_codes_decode_to(many, centred):
    world = small()
    *_, image, text = many
    atoms = np.asarray(world.atoms, np.float64)
    means = world.expected if centred else np.zeros((2, 5))
    products = (((image - means[0]) @ atoms) * ((text - means[1]) @ atoms)).sum(1)
    close(products, world.bridge(centred=centred).sum())


def test_modality_scores(many):
    world = small()
    *_, image, text = many
    linear, squared = world.modality_linear, world.modality_squared
    assert linear[0] == pytest.approx(0.9 * 1.0 / (0.9 * 1.0 + 0.5 * 1.5))
    assert squared[0] == pytest.approx(0.9 * 1.0 / (0.9 * 1.0 + 0.5 * 1.5**2))
    np.testing.assert_array_equal(linear[1:], [1, 0, 1, 0])
    np.testing.assert_array_equal(squared[1:], [1, 0, 1, 0])
    # E of (1 - score) z^I - score z^T is 0 where the score is right
    close((1 - linear) * image - linear * text, 0)
    close((1 - squared) * image**2 - squared * text**2, 0)


def test_row_means_gap_and_offset():
    world = small(noise_std=[0.1, 0.3])
    x_image, x_text, *_ = sides(world)
    means = (np.asarray(LAW["present"]) * LAW["shown"] * np.asarray(LAW["gain"])) @ directions() + PLACE
    np.testing.assert_allclose(world.row_means, means, atol=1e-6)
    close(x_image, means[0])
    close(x_text, means[1])
    np.testing.assert_allclose(world.gap, means[0] - means[1], atol=1e-6)
    np.testing.assert_allclose(world.offset, PLACE.mean(0), atol=1e-6)


def test_shifting_moves_rows_means_and_offset_and_nothing_else():
    world, by = small(), np.array([np.arange(6.0), np.ones(6)])
    moved = world.shifted(by)
    before, after = sides(world, pairs=FEW), sides(moved, pairs=FEW)
    for m in range(2):
        np.testing.assert_allclose(after[m], before[m] - by[m], atol=1e-6)
        np.testing.assert_array_equal(after[2 + m], before[2 + m])
    np.testing.assert_allclose(moved.row_means, np.asarray(world.row_means) - by, atol=1e-6)
    np.testing.assert_allclose(moved.offset, np.asarray(world.offset) - by.mean(0), atol=1e-6)


def test_rows_are_interleaved_codes_times_atoms_at_the_place_of_their_modality():
    x_image, x_text, image, text = sides(small(), pairs=FEW)
    np.testing.assert_allclose(x_image, image @ directions() + PLACE[0], atol=1e-6)
    np.testing.assert_allclose(x_text, text @ directions() + PLACE[1], atol=1e-6)
    assert not image[:, [2, 4]].any() and not text[:, [1, 3]].any()
    # a shared concept is as strong in its text as in its image, gains apart
    both = (image[:, 0] > 0) & (text[:, 0] > 0)
    np.testing.assert_allclose(image[both, 0] * 1.5, text[both, 0], rtol=1e-5)
    with pytest.raises(ValueError, match="n = 5: must be even"):
        small().sample(jax.random.key(0), 5)


def test_noise_has_the_stated_size_per_modality():
    x_image, x_text, image, text = sides(small(noise_std=[0.1, 0.3]), pairs=PAIRS)
    for x, z, place, std in ((x_image, image, PLACE[0], 0.1), (x_text, text, PLACE[1], 0.3)):
        rest = x - z @ directions() - place
        assert abs(rest.std() - std) < 4 * std / np.sqrt(2 * rest.size)


def test_unit_rows_have_length_one_and_their_codes_are_divided_too():
    world = small(norm="unit")
    assert world.norm == "unit"
    x_image, x_text, image, text = sides(world, pairs=PAIRS)
    for x, z, place, m in ((x_image, image, PLACE[0], 0), (x_text, text, PLACE[1], 1)):
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-6)
        rest = x - z @ directions()  # a positive multiple of the place
        np.testing.assert_allclose(
            rest / np.linalg.norm(rest, axis=1, keepdims=True),
            np.tile(place / np.linalg.norm(place), (PAIRS, 1)),
            atol=1e-4,
        )
        # the sample behind the stated mean is small, but its error is that of x - c y, not of x
        error = 4 * x.std(0) / np.sqrt(PAIRS) + 4 * x.std(0) / np.sqrt(2**15)
        assert (np.abs(x.mean(0) - np.asarray(world.row_means)[m]) < error).all()
    assert not np.allclose(world.offset, PLACE.mean(0), atol=0.01)
    np.testing.assert_array_equal(world.prob, small().prob)


def test_what_the_scorer_reads():
    world = small()
    assert world.partner.tolist() == [0, 2, 1, 3, 4]
    assert world.parent.tolist() == world.group.tolist() == [-1] * 5
    assert world.level.tolist() == [0] * 5


def test_same_key_same_bytes_and_other_key_disjoint():
    first, again, other = (DRAW(small(), jax.random.key(seed), 2 * FEW) for seed in (5, 5, 6))
    assert all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in zip(first, again, strict=True))
    on = [np.asarray(x)[np.asarray(z).any(1)] for x, z in (first, other)]  # rows without concepts are equal
    assert not set(map(bytes, on[0])) & set(map(bytes, on[1]))


def test_a_stack_of_worlds_equals_each_world_alone():
    worlds = [small(), small(kappa=0.0, noise_std=[0.1, 0.2]), small(shown=np.full((2, 5), 0.5), kappa=1.0)]
    keys = jax.random.split(jax.random.key(7), 3)
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *worlds)
    mapped = jax.jit(jax.vmap(lambda world, key: world.sample(key, 100)))(stack, keys)
    for i, world in enumerate(worlds):
        for many, one in zip(mapped, world.sample(keys[i], 100), strict=True):
            np.testing.assert_allclose(many[i], one, atol=1e-5)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"present": [0.3, 0.5, 0.5, 0.0, 0.4]}, ["present[3] = 0.0", "(0, 1]"]),
        ({"shown": np.full((2, 5), 1.5)}, ["shown[0, 0] = 1.5", "[0, 1]"]),
        ({"gain": -np.ones((2, 5))}, ["gain[0, 0] = -1", "at least 0"]),
        ({"gain": np.zeros((2, 5))}, ["feature 0", "no modality"]),
        ({"gain": np.ones(5)}, ["gain has shape [5]", "[2, 5]"]),
        ({"place": np.zeros(6)}, ["place has shape [6]", "[2, 6]"]),
        ({"kappa": 1e-5}, ["kappa = 1e-05", "0.001 to 1"]),
        ({"kappa": float("nan")}, ["kappa = nan", "0.001 to 1"]),
        ({"noise_std": [0.1, -0.1]}, ["noise_std[1] = -0.1", "at least 0"]),
        ({"concept": [0, 1, 1, 1, 2]}, ["concept 1", "one feature or two"]),
        ({"norm": "sphere"}, ["norm = 'sphere'", "free, unit"]),
    ],
)
def test_a_malformed_law_is_refused(bad, words):
    with pytest.raises(ValueError) as error:
        small(**bad)
    assert all(word in str(error.value) for word in [*words, "must"]), str(error.value)
