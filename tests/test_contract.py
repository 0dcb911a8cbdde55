"""Every variant, every preset and both flax adapters keep every part of the contract."""

import functools
import importlib
import pkgutil

import flax.linen as linen
import jax
import jax.numpy as jnp
import pytest
from flax import nnx

import mpsae.saes
from mpsae import testing
from mpsae.code import Code
from mpsae.sae import REGISTRY, SAE, known

BEFORE = set(known())


class LinenNet(linen.Module):
    """One linear layer with a ReLU."""

    width: int

    @linen.compact
    def __call__(self, x):
        return linen.relu(linen.Dense(self.width)(x))


class NnxNet(nnx.Module):
    """One linear layer with a ReLU."""

    def __init__(self, dim, width, rngs):
        self.layer = nnx.Linear(dim, width, rngs=rngs)

    def __call__(self, x):
        return nnx.relu(self.layer(x))


class LinenEncoder(SAE, name="test_contract_linen"):
    """z = net(x) of a flax linen module, its weights in params under `net`."""

    def init(self, key, dim, width):
        net = LinenNet(width).init(key, jnp.zeros((1, dim)))["params"]
        return super().init(key, dim, width) | {"net": net}

    def encode(self, params, x):
        width = len(params["atoms"])
        return Code(values=LinenNet(width).apply({"params": params["net"]}, x), width=width)


class NnxEncoder(SAE, name="test_contract_nnx"):
    """z = net(x) of a flax nnx module, its weights in params under `net`."""

    def init(self, key, dim, width):
        net = nnx.to_pure_dict(nnx.state(NnxNet(dim, width, nnx.Rngs(key))))
        return super().init(key, dim, width) | {"net": net}

    def encode(self, params, x):
        width, dim = params["atoms"].shape
        graph, state = nnx.split(nnx.eval_shape(lambda: NnxNet(dim, width, nnx.Rngs(0))))
        nnx.replace_by_pure_dict(state, params["net"])
        return Code(values=nnx.merge(graph, state)(x), width=width)


OWN = {cls.name: cls for cls in (LinenEncoder, NnxEncoder)}
for name in OWN:
    REGISTRY.pop(name)


@pytest.fixture(autouse=True)
def registered():
    """The adapters of this file are known while its tests run, and to no other test."""
    REGISTRY.update(OWN)
    yield
    for name in OWN:
        REGISTRY.pop(name, None)


# Made for features of length 4 to 5: on sums of unit atoms an L1 penalty of 2 leaves no code.
WEAKER = {"relu_synthsaebench": {"l1": 0.1}}


def presets() -> dict[str, SAE]:
    """Every preset of every module in mpsae/saes, with penalties that fit the tiny problem."""
    found = {}
    for module in pkgutil.iter_modules(mpsae.saes.__path__):
        found |= getattr(importlib.import_module(f"mpsae.saes.{module.name}"), "PRESETS", {})
    return {name: sae.replace(**WEAKER.get(name, {})) for name, sae in found.items()}


VARIANTS = {name: REGISTRY[name] for name in sorted(BEFORE)} | OWN | presets()


@functools.cache
def sae_of(variant: str) -> SAE:
    """One instance per variant, so that its checks share what they compiled."""
    return testing.example(VARIANTS[variant])


# One variant per group: all its checks run in one process.
@pytest.mark.parametrize(
    ("variant", "check"),
    [
        pytest.param(variant, check, marks=pytest.mark.xdist_group(variant), id=f"{variant}-{check}")
        for variant in VARIANTS
        for check in testing.CHECKS
    ],
)
def test_contract(variant, check):
    testing.CHECKS[check](sae_of(variant))


@pytest.mark.xdist_group("relu")
def test_check_sae_of_a_class_lists_every_check_once():
    found = testing.check_sae(VARIANTS["relu"])
    assert [finding.check for finding in found] == list(testing.CHECKS)
    assert all(finding.ok and finding.seconds >= 0 for finding in found)
    quick = testing.check_sae(VARIANTS["relu"], quick=True)
    assert {f.check for f in found} - {f.check for f in quick} == set(testing.SLOW)


def test_example_brings_k_into_the_tiny_problem_and_leaves_the_rest():
    preset = VARIANTS["mp_eleuther"]
    small = testing.example(preset)
    assert small.k == 3 and small == preset.replace(k=3)
    assert isinstance(testing.example(VARIANTS["batch_topk_paper_toy"]).k, float)


def test_every_preset_name_begins_with_its_variant():
    for name, sae in presets().items():
        assert name.startswith(sae.name), f"{name} is a preset of {sae.name}"


def test_a_key_makes_the_atoms():
    draws = [VARIANTS["relu"]().init(jax.random.key(seed), 16, 24)["atoms"] for seed in (0, 1)]
    assert not jnp.array_equal(*draws)
