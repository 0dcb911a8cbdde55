"""The suite can fail: each way to break the contract is caught by the check that is named for it."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpsae import testing
from mpsae.code import Code
from mpsae.norms import lengths
from mpsae.oneshot import OneShot
from mpsae.sae import REGISTRY, SAE, known, leaf, static
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK

BEFORE = set(known())
CAUGHT: list[tuple[type[SAE], str]] = []


def mutant(*checks: str):
    """Register the decorated class as a mutant that each of the named checks must catch."""

    def note(cls):
        CAUGHT.extend((cls, check) for check in checks)
        return cls

    return note


class Plain(OneShot, name="mutant_plain"):
    """z = ReLU(π), nothing else: what most mutants are made from."""

    def encode(self, params, x):
        values = jax.nn.relu(self.preactivation(params, x))
        return Code(values=values, width=values.shape[-1])


@mutant("fields")
class Unannotated(Plain, name="mutant_unannotated"):
    """A constant that looks like a field."""

    alpha = 3


@mutant("source")
class Jitted(Plain, name="mutant_jitted"):
    """Compiles itself."""

    def encode(self, params, x):
        return jax.jit(super().encode)(params, x)


@mutant("source")
class NoDocstring(Plain, name="mutant_no_docstring"):
    def penalty(self, params, x, code, ctx):
        return 0.0


@mutant("round_trip")
class Unfaithful(Plain, name="mutant_unfaithful"):
    """Changes what it is given."""

    shift: float = leaf(default=0.5)

    def __post_init__(self):
        object.__setattr__(self, "shift", self.shift + 1)


@mutant("init")
class Transposed(Plain, name="mutant_transposed"):
    """Atoms [dim, width]."""

    def init(self, key, dim, width):
        params = super().init(key, dim, width)
        return params | {"atoms": params["atoms"].T}


@mutant("init")
class KeyIgnored(Plain, name="mutant_key_ignored"):
    """Always the same atoms."""

    def init(self, key, dim, width):
        return super().init(jax.random.key(0), dim, width)


@mutant("init")
class OwnChance(Plain, name="mutant_own_chance"):
    """Atoms from numpy's global generator."""

    def init(self, key, dim, width):
        atoms = jnp.asarray(np.random.default_rng().normal(size=(width, dim)), jnp.float32)
        return super().init(key, dim, width) | {"atoms": atoms}


@mutant("code")
class Half(Plain, name="mutant_half"):
    """float16 codes."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values.astype(jnp.float16))


@mutant("code")
class NarrowCode(Plain, name="mutant_narrow"):
    """A dense code one latent short."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return Code(values=code.values[:, 1:], width=code.width)


@mutant("finite")
class Normalised(Plain, name="mutant_normalised"):
    """code / ‖code‖."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values / jnp.linalg.norm(code.values, axis=1, keepdims=True))


@mutant("finite")
class RelativePenalty(Plain, name="mutant_relative_penalty"):
    """A penalty divided by ‖code‖."""

    def penalty(self, params, x, code, ctx):
        return (code.values.sum(-1) / jnp.sqrt(jnp.square(code.values).sum(-1))).mean()


@mutant("sparsity")
class KeepsTies(Plain, name="mutant_keeps_ties"):
    """All that reach the k-th value."""

    k: int = static(default=4)

    def encode(self, params, x):
        code = super().encode(params, x)
        kth = jax.lax.top_k(code.values, self.k)[0][:, -1:]
        return code.replace(values=jnp.where(code.values >= kth, code.values, 0.0))


@mutant("sparsity")
class OverBudget(BatchTopK, name="mutant_over_budget"):
    """One more per row than it says."""

    def _budget(self, k, rows):
        return super()._budget(k + 1, rows)


@mutant("rows")
class BatchMean(Plain, name="mutant_batch_mean"):
    """Centres by the batch."""

    def encode(self, params, x):
        return super().encode(params, x - x.mean(0))


@mutant("rows", "freezes")
class StillCoupled(BatchTopK, name="mutant_still_coupled"):
    """Freezes to itself."""

    def freeze(self, params, state):
        return self, params


@mutant("repeatable")
class Chance(Plain, name="mutant_chance"):
    """Python's random."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values * random.random())


@mutant("exchangeable")
class IndexGain(Plain, name="mutant_index_gain"):
    """Later latents are louder."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values * jnp.linspace(1, 2, code.width))


@mutant("compiled", "code")
class Branches(Plain, name="mutant_branches"):
    """A Python branch on a number that is traced."""

    scale: float = leaf(default=1.0)

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values * self.scale) if self.scale > 1 else code


@mutant("compiled")
class Interpreted(Plain, name="mutant_interpreted"):
    """Another code when traced."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values * (2.0 if isinstance(x, jax.core.Tracer) else 1.0))


@mutant("decode")
class Overwrites(TopK, name="mutant_overwrites"):
    """Scatter sets instead of adding."""

    def decode(self, params, code):
        if code.indices is None:
            return super().decode(params, code)
        rows = jnp.arange(len(code.values))[:, None]
        dense = jnp.zeros((len(code.values), code.width)).at[rows, code.indices].set(code.values)
        return dense @ params["atoms"] + params["bias"]


@mutant("decode")
class TwiceBias(Plain, name="mutant_twice_bias"):
    """The bias is added twice."""

    def decode(self, params, code):
        return super().decode(params, code) + params["bias"]


@mutant("decode")
class Curved(Plain, name="mutant_curved"):
    """A decoder that is not affine."""

    def decode(self, params, code):
        return super().decode(params, code.replace(values=jnp.square(code.values)))


@mutant("decode_gradient", "gradients")
class FrozenDecoder(Plain, name="mutant_frozen_decoder"):
    """No gradient reaches the atoms."""

    def decode(self, params, code):
        return super().decode(params | {"atoms": jax.lax.stop_gradient(params["atoms"])}, code)


@mutant("mean_loss")
class SummedPenalty(Plain, name="mutant_summed_penalty"):
    """A sum over rows."""

    def penalty(self, params, x, code, ctx):
        return 0.1 * code.values.sum()


@mutant("gradients")
class AverageInParams(Plain, name="mutant_average_in_params"):
    """A running mean kept among the params."""

    def init(self, key, dim, width):
        return super().init(key, dim, width) | {"average": jnp.zeros(width)}


@mutant("gradients")
class FrozenEncoder(Plain, name="mutant_frozen_encoder"):
    """No gradient reaches the encoder."""

    def encode(self, params, x):
        return jax.lax.stop_gradient(super().encode(params, x))


@mutant("projection")
class Shrinks(Plain, name="mutant_shrinks"):
    """× .99 each time."""

    def project(self, params):
        return params | {"atoms": params["atoms"] * 0.99}


@mutant("projection")
class DividesByNorm(Plain, name="mutant_divides_by_norm"):
    """An atom of zeros becomes NaN."""

    def project(self, params):
        atoms = params["atoms"]
        return params | {"atoms": atoms / jnp.linalg.norm(atoms, axis=1, keepdims=True)}


@mutant("nested")
class Unordered(TopK, name="mutant_unordered"):
    """Says that its codes are nested, but lists the smallest first."""

    k: int = static(default=3, low=1)

    def encode(self, params, x):
        code = super().encode(params, x)
        return Code(values=code.values[:, ::-1], indices=code.indices[:, ::-1], width=code.width)


@mutant("steps")
class NeverSubtracts(MatchingPursuit, name="mutant_never_subtracts"):
    """The residual stays x."""

    def steps(self, params, x):
        atoms = params["atoms"] / lengths(params["atoms"])
        value, index = jax.lax.top_k(jax.nn.relu((x - params["bias"]) @ atoms.T), 1)
        return jnp.repeat(index, self.k, 1), jnp.repeat(value, self.k, 1)


@mutant("steps")
class OutOfStep(MatchingPursuit, name="mutant_out_of_step"):
    """`steps` is not what `encode` does."""

    def steps(self, params, x):
        indices, values = super().steps(params, x)
        return indices, values * 1.1

    def encode(self, params, x):
        indices, values = super().steps(params, x)
        return Code(values=values, indices=indices, width=len(params["atoms"]))


@mutant("true_atoms", "learns")
class WrongIndices(MatchingPursuit, name="mutant_wrong_indices"):
    """Values paired with the next step's index."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(indices=jnp.roll(code.indices, 1, axis=1))


@mutant("learns")
class Ascends(ReLU, name="mutant_ascends"):
    """The loss with the wrong sign."""

    def loss(self, params, x, ctx):
        loss, code = super().loss(params, x, ctx)
        return -loss, code


@mutant("learns", "true_atoms")
class OneStep(MatchingPursuit, name="mutant_one_step"):
    """Stops after the first atom."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values.at[:, 1:].set(0.0))

    def loss(self, params, x, ctx):
        return SAE.loss(self, params, x, ctx)


@mutant("step_shapes")
class DropsState(BatchTopK, name="mutant_drops_state"):
    """`update` forgets an entry of the state."""

    def update(self, params, x, code, ctx):
        return {"threshold": super().update(params, x, code, ctx)["threshold"]}


@mutant("step_shapes")
class CountsInFloat(TopK, name="mutant_counts_in_float"):
    """`update` turns a count into a float."""

    def update(self, params, x, code, ctx):
        return ctx.state | {"silent": ctx.state["silent"] * 1.0}


@mutant("one_compile")
class WeakState(Plain, name="mutant_weak_state"):
    """State that starts as a Python number."""

    def init_state(self, params):
        return {"mean": 0.0}

    def update(self, params, x, code, ctx):
        return {"mean": 0.9 * ctx.state["mean"] + 0.1 * code.values.mean()}


@mutant("stacked")
class LeavesJax(Plain, name="mutant_leaves_jax"):
    """A callback that cannot be batched."""

    def loss(self, params, x, ctx):
        loss, code = super().loss(params, x, ctx)
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return loss + 0.0 * jax.pure_callback(np.float32, shape, jax.lax.stop_gradient(loss)), code


@mutant("promotion")
class MixesDtypes(Plain, name="mutant_mixes_dtypes"):
    """Whole numbers times floats."""

    def encode(self, params, x):
        code = super().encode(params, x)
        return code.replace(values=code.values * (code.values > 0).astype(jnp.int32))


@mutant("bfloat16")
class OnlyFloat32(Plain, name="mutant_only_float32"):
    """A loop whose carry has the dtype of x, whatever the params are."""

    def encode(self, params, x):
        code = super().encode(params, x)
        size = jax.lax.fori_loop(
            0, 2, lambda _, old: old + code.values, jnp.zeros(code.values.shape, x.dtype)
        )
        return code.replace(values=size)


@mutant("freezes")
class ForgetsState(BatchTopK, name="mutant_forgets_state"):
    """The frozen form still reads the state."""

    def freeze(self, params, state):
        frozen, params = super().freeze(params, state)
        return Rescales(), params | {"encoder": params["encoder"] * 1.5}


class Rescales(Plain, name="mutant_rescales"):
    """Rescales its encoder whenever it is frozen."""

    idle = ("threshold",)

    def freeze(self, params, state):
        return self, params | {"encoder": params["encoder"] * 1.5}


@mutant("saves")
class WholeNumbers(Plain, name="mutant_whole_numbers"):
    """The frozen params hold indices, which a file of float32 arrays does not."""

    def encode(self, params, x):
        code = super().encode(params, x)
        order = params.get("order", jnp.arange(code.width))
        return code.replace(values=code.values[:, order])

    def freeze(self, params, state):
        return self, params | {"order": jnp.arange(len(params["atoms"]))}


OWN = {name: REGISTRY.pop(name) for name in set(REGISTRY) - BEFORE}


@pytest.fixture(autouse=True)
def registered():
    """The mutants are known while these tests run, and to no other test."""
    REGISTRY.update(OWN)
    yield
    for name in OWN:
        REGISTRY.pop(name, None)


@pytest.mark.parametrize(
    ("cls", "check"),
    [
        pytest.param(cls, check, marks=pytest.mark.xdist_group(cls.name), id=f"{cls.__name__}-{check}")
        for cls, check in CAUGHT
    ],
)
def test_mutant_is_caught(cls, check):
    with pytest.raises(AssertionError) as caught:
        testing.CHECKS[check](testing.example(cls))
    message = str(caught.value)
    assert message and "\n" not in message and "Traceback" not in message


def test_every_check_catches_a_mutant():
    assert {check for _, check in CAUGHT} == set(testing.CHECKS)


def test_what_the_mutants_are_made_from_is_sound():
    assert all(finding.ok for finding in testing.check_sae(Plain, quick=True))


def test_a_second_class_with_an_id_is_refused():
    with pytest.raises(
        ValueError, match=r"'topk' is defined twice: in mpsae.saes.topk \(TopK\) and in .*Again"
    ):

        class Again(Plain, name="topk"):
            """A second TopK."""


def test_a_static_field_made_a_leaf_is_refused():
    with pytest.raises(ValueError, match=r"write k = static\(default=7\)"):

        class Traced(TopK, name="mutant_traced"):
            """k is traced."""

            k: int = 7


def test_foundations_end_the_list():
    found = testing.check_sae(OWN["mutant_transposed"])
    assert [finding.check for finding in found if not finding.ok] == ["init"] == [found[-1].check]


def test_assert_sae_names_variant_and_check():
    with pytest.raises(
        AssertionError, match=r"^mutant_key_ignored: init: atoms|^mutant_key_ignored: init: init"
    ):
        testing.assert_sae(OWN["mutant_key_ignored"], quick=True)


def test_a_field_without_a_default_is_one_sentence():
    class NoDefault(Plain, name="mutant_no_default"):
        """Needs a value."""

        size: int = static()

    (finding,) = testing.check_sae(NoDefault)
    REGISTRY.pop("mutant_no_default")
    assert finding.check == "build" and "give every field a default" in finding.problem
    assert testing.example(NoDefault(size=1)).size == 1
