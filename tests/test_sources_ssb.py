"""The SynthSAEBench source: its contract, its presets, and the truth as the scorer sees it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scoring import oracle_codes

from mpsae.metrics.base import Truth
from mpsae.score import score
from mpsae.source import find_source
from mpsae.sources.ssb import PRESETS, Ssb

FEW = {"features": 60, "dim": 40, "roots": 4, "branching": 3, "depth": 2, "low_prob": 0.05, "rank": 4}


def few(world_seed=0, **fields):
    return Ssb(**(FEW | {"held_out": 2000} | fields)).build(world_seed)


@pytest.fixture(scope="module")
def source():
    return few()


def test_the_source_is_known_and_stackable(source):
    assert find_source("ssb") is Ssb
    assert source.stackable and not source.paired
    assert (source.dim, source.block, source.blocks) == (40, 1000, 2)
    truth = Truth.of(source.truth)
    assert truth.atoms.shape == (60, 40)
    assert truth.parent[:10].tolist() == [-1] * 4 + [0, 0, 0, 1, 1, 1]
    assert truth.true_l0 == pytest.approx(float(source.world.prob.sum()), rel=1e-6)
    assert truth.mean[0] == pytest.approx(5, abs=0.01)


def test_batches_repeat_by_key_and_step(source):
    key, draw = jax.random.key(3), jax.jit(source.batch, static_argnums=2)
    first, again, later = (np.asarray(draw(key, step, 40)) for step in (1, 1, 2))
    assert first.tobytes() == again.tobytes() and first.shape == (40, 40)
    expected, codes = source.world.sample(jax.random.fold_in(key, 1), 40)
    np.testing.assert_allclose(first, expected, atol=1e-5)
    # Rows without any feature are all equal: the offset.
    assert not set(map(bytes, first[np.asarray(codes).any(1)])) & set(map(bytes, later))


def test_the_fingerprint_moves_with_every_field_and_the_seed(source):
    changed = {
        "features": 61,
        "dim": 41,
        "roots": 3,
        "branching": 2,
        "depth": 1,
        "top_prob": 0.3,
        "low_prob": 0.04,
        "exponent": 0.6,
        "rank": 5,
        "loading": 0.2,
        "first_mean": 6.0,
        "last_mean": 3.0,
        "spread": 0.4,
        "spread_std": 0.4,
        "apart_steps": 10,
        "apart_rate": 1e-3,
        "offset": 0.0,
        "held_out": 1000,
    }
    assert set(changed) == {field.name for field in dataclasses.fields(Ssb)}
    texts = {Ssb(**(FEW | {"held_out": 2000, name: value})).canonical() for name, value in changed.items()}
    assert len(texts) == len(changed) and Ssb(**FEW, held_out=2000).canonical() not in texts
    assert len({few(**kind).fingerprint() for kind in ({}, {"world_seed": 1}, {"loading": 0.2})}) == 3
    assert few().fingerprint() == source.fingerprint()


def test_true_codes_on_the_true_dictionary_are_perfect(source):
    encoder, params = oracle_codes(source.truth)
    metrics = ["mse_sum", "fvu", "mcc_signed", "f1_hungarian", "l0", "absorb_fire"]
    found = score(encoder, params, source, metrics=metrics)
    assert found.value("mse_sum") < 1e-8 and found.value("fvu") < 1e-8
    assert found.value("mcc_signed") == pytest.approx(1, abs=1e-6)
    assert found.value("f1_hungarian") == pytest.approx(1, abs=1e-6)
    assert found.value("absorb_fire") == pytest.approx(0, abs=1e-6)
    codes = np.concatenate([np.asarray(source.held_out(i)[1]) > 0 for i in range(2)]).sum(1)
    error = codes.std() / np.sqrt(len(codes))
    assert abs(found.value("l0") - float(source.world.true_l0)) < 4 * error


def test_sources_of_one_shape_stack(source):
    members = [source, few(1, loading=0.2, top_prob=0.3)]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    keys = jax.random.split(jax.random.key(0), 2)

    def rows(source, key):
        return source.batch(key, 5, 40)

    stacked, alone = jax.jit(jax.vmap(rows))(stack, keys), jax.jit(rows)
    for i, member in enumerate(members):
        np.testing.assert_allclose(stacked[i], alone(member, keys[i]), atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"held_out": 1500}, ["held_out = 1500", "multiple of 1000"]),
        ({"roots": 4.0}, ["ssb.roots = 4.0", "int"]),
        ({"offset": float("nan")}, ["ssb.offset = nan", "finite"]),
        ({"roots": 30}, ["roots = 30", "fit 60 features"]),
    ],
)
def test_bad_fields_are_refused(fields, words):
    with pytest.raises(ValueError) as error:
        few(**fields)
    assert all(word in str(error.value) for word in [*words, "must"]), str(error.value)


@pytest.mark.parametrize(
    ("name", "features", "dim", "roots"),
    [("ssb16k", 16384, 768, 128), ("ssb2", 8192, 384, 64), ("ssb4", 4096, 192, 32), ("ssb8", 2048, 96, 16)],
)
def test_presets_are_the_published_world_and_smaller_ones(name, features, dim, roots):
    preset = PRESETS[name]
    preset.validate()
    assert (preset.features, preset.dim, preset.roots) == (features, dim, roots)
    assert dataclasses.replace(preset, held_out=500).title == name
    assert preset.held_out == (1_000_000 if name == "ssb16k" else 100_000)


def test_a_title_without_a_preset_is_the_id():
    assert set(PRESETS) == {"ssb16k", "ssb2", "ssb4", "ssb8"}
    assert Ssb(loading=0.2).title == "ssb"
