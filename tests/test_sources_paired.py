"""The paired source: its contract, its presets, and the truth as the scorer sees it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scoring import oracle_codes

from mpsae.metrics.base import Truth
from mpsae.pairs import split
from mpsae.score import score
from mpsae.source import find_source
from mpsae.sources.paired import PRESETS, Paired

FEW = {"dim": 24, "shared": 6, "image_only": 4, "text_only": 4, "presence": 0.3}


def few(world_seed=0, **fields):
    return Paired(**(FEW | {"held_out": 2000} | fields)).build(world_seed)


def test_the_source_is_known_paired_and_stackable():
    source = few()
    assert find_source("paired") is Paired
    assert source.paired and source.stackable
    assert (source.dim, source.block, source.blocks) == (24, 1000, 2)
    truth = Truth.of(source.truth)
    assert truth.atoms.shape == (14, 24) and np.all(truth.group == -1)
    assert truth.true_l0 == pytest.approx(0.3 * 10)
    np.testing.assert_array_equal(source.scores_true.linear, [0.5] * 6 + [1] * 4 + [0] * 4)
    np.testing.assert_array_equal(source.scores_true.squared, source.scores_true.linear)


def test_batches_repeat_by_key_and_step_and_are_pairs():
    source, key = few(), jax.random.key(3)
    draw = jax.jit(source.batch, static_argnums=2)
    first, again, later = (np.asarray(draw(key, step, 40)) for step in (1, 1, 2))
    assert first.tobytes() == again.tobytes() and first.tobytes() != later.tobytes()
    _, z = source.held_out(1)
    image, text = split(np.asarray(z))
    assert not image[:, 10:].any() and not text[:, 6:10].any()
    np.testing.assert_array_equal(image[:, :6], text[:, :6])  # coupled, nothing omitted
    with pytest.raises(ValueError, match="n = 5: must be even"):
        source.batch(key, 0, 5)


def test_the_fingerprint_moves_with_every_field_and_the_seed():
    changed = {
        "dim": 25,
        "shared": 5,
        "image_only": 3,
        "text_only": 3,
        "presence": 0.2,
        "omission": 0.1,
        "kappa": 0.2,
        "magnitudes": "independent",
        "image_gain": 1.1,
        "text_gain": 1.1,
        "image_only_gain": 1.1,
        "text_only_gain": 1.1,
        "decay": 1.0,
        "theta": 0.1,
        "packing": "haar",
        "delta": 1.0,
        "common": 1.0,
        "noise": 0.1,
        "content": "centred",
        "norm": "unit",
        "centring": "global",
        "held_out": 1000,
    }
    assert set(changed) == {field.name for field in dataclasses.fields(Paired)}
    texts = [Paired(**({**FEW, name: value})).canonical() for name, value in changed.items()]
    assert len(set(texts)) == len(texts)
    prints = [source.fingerprint() for source in (few(), few(1), few(delta=1.0), few(centring="global"))]
    assert len(set(prints)) == len(prints)
    assert few(delta=-0.0).fingerprint() == few().fingerprint()


@pytest.mark.parametrize("norm", ["free", "unit"])
def test_centrings_take_off_the_mean(norm):
    dials = {"delta": 1.0, "common": 0.5, "image_only_gain": 2.0, "norm": norm}
    none, whole, each = (few(centring=name, **dials) for name in ("none", "global", "modality"))
    means = np.asarray(none.world.row_means)
    rows = [np.asarray(source.held_out(0)[0]) for source in (none, whole, each)]
    image, text = split(rows[0])
    np.testing.assert_allclose(rows[1], rows[0] - means.mean(0), atol=1e-5)
    for side, mean, found in zip((image, text), means, split(rows[2]), strict=True):
        np.testing.assert_allclose(found, side - mean, atol=1e-5)
        assert np.abs(found.mean(0)).max() < 5 * found.std(0).max() / np.sqrt(len(found))
    np.testing.assert_allclose(whole.world.gap, none.world.gap, atol=1e-5)
    np.testing.assert_allclose(each.world.gap, 0, atol=1e-6)


def test_true_codes_on_the_true_dictionary_are_perfect():
    source = few(common=1.0)
    encoder, params = oracle_codes(source.truth)
    metrics = ["mse_sum", "fvu", "mcc_signed", "f1_hungarian", "l0"]
    found = score(encoder, params, source, metrics=metrics)
    assert found.value("mse_sum") < 1e-10 and found.value("fvu") < 1e-10
    assert found.value("mcc_signed") == pytest.approx(1, abs=1e-6)
    assert found.value("f1_hungarian") == pytest.approx(1, abs=1e-6)
    assert found.value("l0") == pytest.approx(3, abs=4 * np.sqrt(10 * 0.21 / 1000))


def test_sources_of_one_shape_stack():
    members = [few(), few(1, delta=1.0, omission=0.5), few(2, kappa=0.0, noise=0.1, centring="modality")]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    keys = jax.random.split(jax.random.key(0), 3)

    def rows(source, key):
        return source.batch(key, 5, 20), *source.held_out(1)

    stacked, alone = jax.jit(jax.vmap(rows))(stack, keys), jax.jit(rows)
    for i, member in enumerate(members):
        for many, one in zip(stacked, alone(member, keys[i]), strict=True):
            np.testing.assert_allclose(many[i], one, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"centring": "mean"}, ["centring = 'mean'", "none, global, modality"]),
        ({"held_out": 501}, ["held_out = 501", "even"]),
        ({"held_out": 1500}, ["held_out = 1500", "multiple of 1000"]),
        ({"shared": 4.0}, ["paired.shared = 4.0", "int"]),
        ({"dim": 10}, ["dim = 10", "at least 14"]),
    ],
)
def test_bad_fields_are_refused(fields, words):
    with pytest.raises(ValueError) as error:
        few(**fields)
    assert all(word in str(error.value) for word in [*words, "must"]), str(error.value)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid(name):
    PRESETS[name].validate()


def mean_cosine(one, two):
    """Mean product of different rows."""
    products = one @ two.T
    return (products.sum() - np.trace(products)) / (len(one) * (len(one) - 1))


def effective_rank(rows):
    """exp entropy of the eigenvalues of the covariance."""
    shares = np.square(np.linalg.svd(rows - rows.mean(0), compute_uv=False))
    shares = shares[shares > 1e-12] / shares.sum()
    return np.exp(-(shares * np.log(shares)).sum())


# (500 embeddings of CLIP ViT-B/16, how far from them this world may be)
CLIP = {
    "gap": (0.851, 0.04),
    "pair": (0.310, 0.015),
    "cross": (0.162, 0.015),
    "within image": (0.531, 0.045),
    "within text": (0.515, 0.045),
    "rank image": (105, 12),
    "rank text": (97, 12),
}


def test_clip_like_has_the_geometry_measured_on_clip():
    source = PRESETS["clip_like"].build(0)
    image, text = split(np.asarray(source.held_out(0)[0], np.float64))
    found = {
        "gap": np.linalg.norm(image.mean(0) - text.mean(0)),
        "pair": (image * text).sum(1).mean(),
        "cross": mean_cosine(image, text),
        "within image": mean_cosine(image, image),
        "within text": mean_cosine(text, text),
        "rank image": effective_rank(image),
        "rank text": effective_rank(text),
    }
    for name, (measured, tolerance) in CLIP.items():
        assert abs(found[name] - measured) < tolerance, (name, found[name])
    assert found["gap"] == pytest.approx(np.linalg.norm(source.world.gap), abs=0.02)
    nearest = (image @ text.T).argmax(1) == np.arange(500)
    assert 0.5 < nearest.mean() < 0.8


def test_a_title_is_the_preset_whatever_is_taken_off():
    assert dataclasses.replace(PRESETS["gap"], centring="modality", held_out=500).title == "paired_gap"
    assert Paired(theta=0.123, dim=128).title == "paired"
