"""Broken variants, second half: pursuit, state, training, saving."""

import jax
import jax.numpy as jnp
import numpy as np
from mutants import Plain, mutant

from mpsae.code import Code
from mpsae.norms import lengths
from mpsae.sae import SAE, static
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.mp import MatchingPursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK


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
