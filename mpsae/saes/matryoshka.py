"""Matryoshka: nested prefixes of the dictionary each reconstruct on their own."""

import jax
import jax.numpy as jnp

from mpsae import norms
from mpsae.sae import static
from mpsae.saes.relu import PRESETS as RELU
from mpsae.saes.relu import ReLU

RESORT = ("none", "resort", "resort_paper")


class Matryoshka(ReLU, name="matryoshka"):
    """ReLU codes; loss = mean over prefixes of (‖x - x̂_prefix‖² + λ Σ_{i in prefix} z_i ‖d_i‖).

    `prefixes` widths: prefixes - 1 cuts drawn afresh each batch without replacement from
    {1..width-1} with P(l) ∝ √l - √(l-1), plus the full width (noanabeshima/matryoshka-saes).
    resort: latents reordered each step by a running mean (rate .05) of (z‖d‖)²; `resort` moves
    their Adam moments and the running mean with them, `resort_paper` moves neither, as released.
    """

    orders_atoms = True

    prefixes: int = static(default=5, low=1)
    resort: str = static(default="none", choices=RESORT)

    def init_state(self, params):
        return super().init_state(params) | {"use": jnp.zeros(len(params["atoms"]))}

    def loss(self, params, x, ctx):
        x = self.scaled(x, ctx)
        code = self.encode(params, x)
        width = code.width
        cuts = self._cuts(ctx.key, width)
        inside = (jnp.arange(width) < cuts[:, None]).astype(x.dtype)
        size = norms.sizes(params["atoms"])
        guesses = jnp.einsum("bp,np,pd->nbd", code.values, inside, params["atoms"]) + params["bias"]
        error = jnp.square(x - guesses).sum(-1).mean()
        spent = (code.values * size).mean(0) @ inside.T
        return error + self.strength(code, ctx)[1] * spent.mean(), code

    def update(self, params, x, code, ctx):
        size = norms.sizes(params["atoms"])
        use = 0.95 * ctx.state["use"] + 0.05 * jnp.square(code.values * size).mean(0)
        return super().update(params, x, code, ctx) | {"use": use}

    def improve(self, params, opt, x, ctx, tx):
        params, opt, state, log = super().improve(params, opt, x, ctx, tx)
        if self.resort == "none":
            return params, opt, state, log
        order = jnp.argsort(-state["use"])
        if self.resort == "resort":
            opt, state = _reorder(opt, order), state | {"use": state["use"][order]}
        return _reorder(params, order), opt, state, log

    def validate(self, dim, width):
        super().validate(dim, width)
        if self.prefixes > width:
            raise ValueError(f"sae.prefixes = {self.prefixes}: at most the number of atoms, width = {width}")

    def _cuts(self, key, width):
        if self.prefixes == 1:
            return jnp.array([width])
        lengths = jnp.arange(1, width)
        chance = jnp.log(jnp.sqrt(lengths) - jnp.sqrt(lengths - 1))
        # The largest of log-probability + Gumbel noise are a draw without replacement.
        _, chosen = jax.lax.top_k(chance + jax.random.gumbel(key, (width - 1,)), self.prefixes - 1)
        return jnp.concatenate([jnp.sort(lengths[chosen]), jnp.array([width])])


def _reorder(tree, order):
    """Every array of a latent-indexed param, found by its dict key, put in the new order."""
    axes = {"atoms": 0, "encoder": 1, "encoder_bias": 0}

    def move(path, value):
        name = getattr(path[-1], "key", None) if path else None
        return jnp.take(value, order, axis=axes[name]) if name in axes else value

    return jax.tree_util.tree_map_with_path(move, tree)


PRESETS = {
    "matryoshka_paper_toy": Matryoshka(**vars(RELU["relu_paper_toy"]), prefixes=5, resort="resort_paper"),
}
