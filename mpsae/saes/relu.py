"""The vanilla SAE: ReLU codes with an L1 penalty whose strength can follow a target L0."""

import jax
import jax.numpy as jnp

from mpsae import norms
from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.scaled import WithInputScale
from mpsae.steered import WithL1


class ReLU(WithL1, WithInputScale, OneShot, name="relu"):
    """z = ReLU(π), loss ‖x - x̂‖² + λ Σ_i z_i ‖d_i‖ (invariant to rescaling an atom).

    λ as in `WithL1`, input_scale as in `WithInputScale`.
    """

    def init_state(self, params):
        return super().init_state(params) | {"norm": jnp.float32(0)}

    def encode(self, params, x):
        values = jax.nn.relu(self.preactivation(params, x))
        return Code(values=values, width=values.shape[-1])

    def loss(self, params, x, ctx):
        x = self.scaled(x, ctx)
        code = self.encode(params, x)
        size = norms.sizes(params["atoms"])
        error = jnp.square(x - self.decode(params, code)).sum(-1).mean()
        return error + self.strength(code, ctx)[1] * (code.values @ size).mean(), code

    def update(self, params, x, code, ctx):
        return super().update(params, x, code, ctx) | {"norm": self.next_norm(x, ctx)}

    def freeze(self, params, state):
        return self.replace(input_scale="none"), self.folded(params, state["norm"])


PRESETS = {
    "relu_paper_toy": ReLU(
        norm="init",
        centre="none",
        encoder_init="gaussian",
        atom_scale=0.1,
        controller="sign",
        input_scale="running",
        l1=0.1,
        l1_warmup=0.2,
        target_l0=1.36,
        control_from=0.2,
    ),
    # arXiv 2602.14687, its "Standard L1".
    "relu_synthsaebench": ReLU(
        norm="init",
        encoder_init="scaled_atoms",
        atom_scale=0.1,
        controller="integral",
        l1=2.0,
        l1_warmup=1 / 3,
        target_l0=25.0,
        control_from=1 / 3,
    ),
}
