"""Broken variants, first half: fields, shapes, codes, decoding. What the suite has to catch."""

import random

import jax
import jax.numpy as jnp
import numpy as np

from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.sae import SAE, known, leaf, static
from mpsae.saes.batch_topk import BatchTopK
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
