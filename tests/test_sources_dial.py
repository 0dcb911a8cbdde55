"""The dial source: its contract, its presets, and the truth as the scorer sees it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scoring import oracle_codes

from mpsae.metrics.base import Truth
from mpsae.score import score
from mpsae.source import find_source
from mpsae.sources.dial import PRESETS, Dial

FEW = {"dim": 40, "clans": 4, "held_out": 2000}


def few(world_seed=0, **fields):
    return Dial(**(FEW | fields)).build(world_seed)


def test_the_source_is_known_and_stackable():
    source = few(link="shuffled")
    assert find_source("dial") is Dial
    assert source.stackable and not source.paired
    assert (source.dim, source.block, source.blocks) == (40, 1000, 2)
    truth = Truth.of(source.truth)
    assert truth.atoms.shape == (80, 40) and truth.true_l0 == pytest.approx(1.36)
    assert len(np.unique(truth.group)) == 4 * 4
    assert truth.parent.min() == -1 and truth.parent.max() == 68


@pytest.mark.parametrize(("name", "shape", "l0"), [("dial_XS", (20, 20), 1.36), ("dial_S", (320, 64), 5.44)])
def test_presets_are_the_specified_ones(name, shape, l0):
    source = PRESETS[name].build(0)
    assert source.truth.atoms.shape == shape
    assert float(source.truth.true_l0) == pytest.approx(l0, rel=1e-6)
    assert PRESETS[name].title == name


def test_the_large_preset_is_valid_and_titles_are_presets_or_the_id():
    large = PRESETS["dial_M"]
    large.validate()
    assert (large.dim, large.clans, large.rate) == (256, 64, 0.25)
    assert dataclasses.replace(large, held_out=500).title == "dial_M"
    assert Dial(correlation=0.123).title == "dial"


def test_batches_repeat_by_key_and_step():
    source, key = few(hierarchy=0.5, noise=0.1), jax.random.key(3)
    draw = jax.jit(source.batch, static_argnums=2)
    first, again, later = (np.asarray(draw(key, step, 40)) for step in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert not set(map(bytes, first)) & set(map(bytes, later))


def test_the_fingerprint_moves_with_every_field_and_the_seed():
    changed = {
        "dim": 41,
        "clans": 3,
        "tree": "4x3x1",
        "branch": 0.5,
        "skew": 0.5,
        "correlation": 0.2,
        "parent_cosine": 0.2,
        "link": "off",
        "packing": "tight",
        "rate": 0.2,
        "zipf": 0.5,
        "hierarchy": 0.5,
        "siblings": "independent",
        "law": "gamma",
        "kappa": 0.2,
        "shared_kappa": 0.1,
        "level_ratio": 0.9,
        "coupling": "parent",
        "noise": 0.1,
        "offset": 0.1,
        "held_out": 1000,
    }
    assert set(changed) == {field.name for field in dataclasses.fields(Dial)}
    texts = [Dial(**(FEW | {name: value})).canonical() for name, value in changed.items()]
    assert len({Dial(**FEW).canonical(), *texts}) == len(texts) + 1
    prints = [source.fingerprint() for source in (few(), few(1), few(hierarchy=0.5), few(link="off"))]
    assert len(set(prints)) == len(prints)
    assert few(noise=-0.0).fingerprint() == prints[0]


ORACLES = {
    "oblique": {"parent_cosine": 0.5, "offset": 0.5, "coupling": "parent", "shared_kappa": 0.2},
    "no hierarchy": {"hierarchy": 0.0, "link": "shuffled", "rate": 0.6},
}
METRICS = [
    "fvu",
    "mcc_signed",
    "f1_hungarian",
    "l0",
    "absorb_cos_excess",
    "absorb_fire",
    "hier_mse",
    "flat_mse",
]


@pytest.mark.parametrize("name", ORACLES)
def test_true_codes_on_the_true_dictionary_are_perfect(name):
    source = few(**ORACLES[name])
    encoder, params = oracle_codes(source.truth)
    found = score(encoder, params, source, metrics=METRICS)
    for metric in ("mcc_signed", "f1_hungarian"):
        assert found.value(metric) == pytest.approx(1, abs=1e-6)
    for metric in ("fvu", "hier_mse", "flat_mse"):
        assert abs(found.value(metric)) < 1e-9
    for metric in ("absorb_cos_excess", "absorb_fire"):
        assert abs(found.value(metric)) < 1e-6
    assert found.value("l0") == pytest.approx(float(source.truth.true_l0), rel=0.1)


def test_sources_of_one_shape_stack():
    members = [
        few(hierarchy=0.5),
        few(1, hierarchy=0.0, parent_cosine=0.5, noise=0.1, link="shuffled"),
        few(2, hierarchy=0.2, kappa=0.0, shared_kappa=0.2, rate=0.1, zipf=0.3, offset=1.0),
    ]
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    keys = jax.random.split(jax.random.key(0), 3)

    def rows(source, key):
        return source.world.sample(key, 20)

    stacked, alone = jax.jit(jax.vmap(rows))(stack, keys), jax.jit(rows)
    for i, member in enumerate(members):
        for many, one in zip(stacked, alone(member, keys[i]), strict=True):
            np.testing.assert_allclose(many[i], one, atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"held_out": 1500}, ["held_out = 1500", "multiple of 1000"]),
        ({"dim": 40.0}, ["dial.dim = 40.0", "int"]),
        ({"dim": 10}, ["dim = 10", "at least 20"]),
        ({"correlation": float("inf")}, ["dial.correlation = inf", "finite"]),
        ({"siblings": True}, ["dial.siblings = True", "str"]),
    ],
)
def test_bad_fields_are_refused(fields, words):
    with pytest.raises(ValueError) as error:
        few(**fields)
    assert all(word in str(error.value) for word in [*words, "must"]), str(error.value)
