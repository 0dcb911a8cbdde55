"""The vanilla SAE: ReLU codes with an L1 penalty whose strength can follow a target L0."""

import jax
import jax.numpy as jnp

from mpsae import norms
from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.sae import static
from mpsae.steered import WithL1


class ReLU(WithL1, OneShot, name="relu"):
    """z = ReLU(π), loss ‖x - x̂‖² + λ Σ_i z_i ‖d_i‖ (invariant to rescaling an atom).

    λ as in `WithL1`. input_scale: `running` trains on x·√dim / (running mean of ‖x‖, rate .01 from
    0, as released with the Matryoshka toy); `freeze` folds that scale into the params.
    """

    input_scale: str = static(default="none", choices=("none", "running"))

    def init_state(self, params):
        return super().init_state(params) | {"norm": jnp.float32(0)}

    def encode(self, params, x):
        values = jax.nn.relu(self.preactivation(params, x))
        return Code(values=values, width=values.shape[-1])

    def loss(self, params, x, ctx):
        x = x * self._scale(self._norm(x, ctx), x.shape[-1])
        code = self.encode(params, x)
        size = norms.sizes(params["atoms"])
        error = jnp.square(x - self.decode(params, code)).sum(-1).mean()
        return error + self.strength(code, ctx)[1] * (code.values @ size).mean(), code

    def update(self, params, x, code, ctx):
        return super().update(params, x, code, ctx) | {"norm": self._norm(x, ctx)}

    def freeze(self, params, state):
        scale = self._scale(state["norm"], len(params["bias"]))
        folded = params | {
            "atoms": params["atoms"] / scale,
            "bias": params["bias"] / scale,
            "encoder": params["encoder"] * scale,
        }
        return self.replace(input_scale="none"), folded

    def validate(self, dim, width):
        super().validate(dim, width)
        if self.input_scale == "running" and self.norm != "init":
            raise ValueError(
                f"sae.norm = {self.norm!r}: with input_scale 'running' the atoms carry the scale;"
                " use norm 'init'"
            )

    def _norm(self, x, ctx):
        return 0.99 * ctx.state["norm"] + 0.01 * jnp.linalg.norm(x, axis=-1).mean()

    def _scale(self, norm, dim):
        # Norm 0 is "no row seen yet": only a member that never took a step is frozen with it.
        return {"none": 1.0, "running": jnp.sqrt(dim) / jnp.where(norm > 0, norm, 1.0)}[self.input_scale]


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
}
