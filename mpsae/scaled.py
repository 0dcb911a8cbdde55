"""Training on inputs of a standard length, with the scale folded into the params afterwards."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from mpsae.fields import static
from mpsae.sae import SAE, Context

RATES = {"none": lambda step: 0.0, "running": lambda step: 0.01, "mean": lambda step: 1.0 / (step + 1)}


class WithInputScale(SAE, abstract=True):
    """Trains a one-shot SAE on x · √dim / n, n an average of ‖x‖ kept in `state["norm"]`.

    input_scale: `none` trains on x; `running` has n of rate .01 from 0, as released with the Matryoshka
    toy; `mean` is the plain mean over all batches so far, as good as one measured before training.
    """

    input_scale: str = static(default="none", choices=tuple(RATES))

    def scaled(self, x: Float[Array, "batch dim"], ctx: Context) -> Float[Array, "batch dim"]:
        """The rows of this step as the SAE is trained on them."""
        return x * self._scale(self.next_norm(x, ctx), x.shape[-1])

    def next_norm(self, x: Float[Array, "batch dim"], ctx: Context) -> Float[Array, ""]:
        """n after this step's rows."""
        rate = RATES[self.input_scale](ctx.step)
        return (1 - rate) * ctx.state["norm"] + rate * jnp.linalg.norm(x, axis=-1).mean()

    def folded(self, params: dict[str, Array], norm: Float[Array, ""]) -> dict[str, Array]:
        """Params that give x the code its scaled row has, and rebuild x itself."""
        scale = self._scale(norm, len(params["bias"]))
        return params | {
            "atoms": params["atoms"] / scale,
            "bias": params["bias"] / scale,
            "encoder": params["encoder"] * scale,
        }

    def validate(self, dim, width):
        super().validate(dim, width)
        if self.input_scale != "none" and self.norm != "init":
            raise ValueError(
                f"sae.norm = {self.norm!r}: with input_scale {self.input_scale!r} the atoms carry the scale;"
                " use norm 'init'"
            )

    def _scale(self, norm, dim):
        if self.input_scale == "none":
            return 1.0
        # Norm 0 is "no row seen yet": only a member that never took a step is frozen with it.
        return jnp.sqrt(dim) / jnp.where(norm > 0, norm, 1.0)
