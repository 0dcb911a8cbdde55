"""Matching pursuit SAE: residual-guided encoding, one atom a step (arXiv 2506.03093)."""

import jax
import jax.numpy as jnp

from mpsae.code import Code
from mpsae.norms import lengths
from mpsae.pursuit import Path, pursue
from mpsae.routes.plan import WAYS
from mpsae.routes.rule import REPEATS, RESIDUAL_GRADIENTS, SELECT, TOLERANCES, Encoder, Rule
from mpsae.sae import leaf, static
from mpsae.stepwise import Stepwise


class MatchingPursuit(Stepwise, name="mp"):
    """k greedy steps: i = argmax ⟨d_i, r⟩, z_i += ⟨d_i, r⟩, r -= ⟨d_i, r⟩ d_i; r starts at x - bias.

    The atoms that decode also choose and weigh (`analysis="tied"`), so there is no encoder
    matrix and no pre-activation. `replace(k=...)` changes the sparsity at inference.

    analysis: `tied`; `untied` (rows of their own choose and weigh, as in the MNIST notebook of
    arXiv 2506.05239); `untied_bias` (with an encoder bias, as EleutherAI's sparsify branch).
    step_size: `projection` selects on ⟨d, r⟩/‖d‖ and codes ⟨d, r⟩/‖d‖² (tied only); `plain` leaves
    ‖d‖ in both, as the released code does; equal for unit atoms. bias: `pre` is subtracted before and
    added after, `sub_only` is never added back. dropout: share of atoms hidden from the choice
    during the first `dropout_steps` steps, one mask per batch. revive: `residual` pulls atoms
    silent in a batch toward its residual (overcomplete). route: how the pursuit is computed, never
    what it gives (`mpsae.routes`). See `Rule` for the rest.
    """

    select: str = static(default="relu_max", choices=tuple(SELECT))
    on_repeat: str = static(default="accumulate", choices=REPEATS)
    tol_kind: str = static(default="absolute", choices=TOLERANCES)
    analysis: str = static(default="tied", choices=("tied", "untied", "untied_bias"))
    step_size: str = static(default="projection", choices=("projection", "plain"))
    bias: str = static(default="pre", choices=("pre", "none", "sub_only"))
    grad_residual: str = static(default="full", choices=RESIDUAL_GRADIENTS)
    revive: str = static(default="residual", choices=("residual", "none"))
    slices: int = static(default=1, low=1)
    route: str = static(default="auto", choices=("auto", *WAYS), identity=False)
    dropout: float = leaf(default=0.0, low=0.0, high=1.0)
    dropout_steps: float = leaf(default=0.0, low=0.0)
    revive_weight: float = leaf(default=1e-2, low=0.0)

    @property
    def nested(self):
        return self.slices == 1  # a step never depends on later ones

    def init(self, key, dim, width):
        params = super().init(key, dim, width)
        if self.analysis != "tied":
            params["analysis"] = params["atoms"]
        if self.analysis == "untied_bias":
            params["analysis_bias"] = jnp.zeros(width)
        return params

    def path(self, params, x, seen: jax.Array | float = 1.0, *, table: jax.Array | None = None) -> Path:
        """The pursuit of x: indices, values, residual; `seen [width]` is 0 for a hidden atom.

        table: the Gram matrix of what decides (unit atoms under `projection`, else the atoms), where it
        is known already, as for many batches on one dictionary.
        """
        rule = Rule(self.k, self.select, self.on_repeat, self.tol_kind, self.slices, self.grad_residual)
        atoms, seen = params["atoms"], jnp.broadcast_to(seen, len(params["atoms"]))[:, None]
        x = x.astype(jnp.result_type(x, atoms))  # a narrow row would tie products that differ
        centred = x - params.get("bias", 0.0)
        if self.analysis != "tied":
            offset = params.get("analysis_bias", jnp.zeros(len(atoms), x.dtype)) * seen[:, 0]
            encoder = Encoder(params["analysis"] * seen, offset)
            return pursue(rule, centred, atoms, encoder, self.tol, table=table, route=self.route)
        # A hidden atom is a row of zeros: its product is 0 and so nothing of it is ever subtracted.
        size = lengths(atoms) if self.step_size == "projection" else jnp.ones_like(seen)
        path = pursue(rule, centred, atoms / size * seen, None, self.tol, table=table, route=self.route)
        return path._replace(values=path.values / size[path.indices, 0])

    def decode(self, params, code):
        return code.decode(params["atoms"]) + (params["bias"] if self.bias == "pre" else 0.0)

    def loss(self, params, x, ctx):
        width = len(params["atoms"])
        rate = jnp.where(ctx.step < self.dropout_steps, self.dropout, 0.0)
        path = self.path(params, x, jax.random.bernoulli(ctx.key, 1.0 - rate, (width,)).astype(x.dtype))
        # x - x̂ is the residual itself, except for the bias that sub_only never adds back.
        error = path.residual + (params["bias"] if self.bias == "sub_only" else 0.0)
        code = Code(values=path.values, indices=path.indices, width=width)
        revival = self.revive_weight * REVIVE[self.revive](params["atoms"], path.residual, code)
        return jnp.square(error).sum(-1).mean() - revival, code

    def validate(self, dim, width):
        super().validate(dim, width)
        if self.analysis != "tied" and self.step_size != "plain":
            raise ValueError(
                f"sae.step_size = {self.step_size!r}: analysis {self.analysis!r} weighs by rows of its own;"
                " use 'plain'"
            )
        if self.slices not in (1, self.k):
            raise ValueError(f"sae.slices = {self.slices}: must be 1 or k = {self.k}")
        if width % self.slices:
            raise ValueError(f"sae.slices = {self.slices}: must divide the number of atoms, width = {width}")


def _toward_residual(atoms, residual, code):
    """Mean product of silent atoms with the residual, once more than 10 are silent in the batch."""
    strongest = jnp.zeros(len(atoms)).at[code.indices].max(jnp.abs(code.values))
    silent = jax.lax.stop_gradient(strongest) < 1e-2
    count = silent.sum()
    mean = (atoms @ residual.mean(0) * silent).sum() / jnp.maximum(count, 1)
    return jnp.where(count > 10, mean, 0.0)


REVIVE = {"residual": _toward_residual, "none": lambda atoms, residual, code: 0.0}

PRESETS = {
    "mp_paper_toy": MatchingPursuit(
        k=20, norm="init", bias="none", step_size="plain", tol=0.05, on_repeat="stop", revive="none"
    ),
    "mp_paper_vision": MatchingPursuit(k=5, select="max", norm="ball", bias="none"),
    "mp_mnist": MatchingPursuit(k=10, norm="project", dropout=0.75, dropout_steps=1000.0, revive="none"),
    "mp_saelens": MatchingPursuit(
        k=25, norm="init", step_size="plain", tol=1e-2, on_repeat="stop", revive="none"
    ),
    "mp_synthsaebench": MatchingPursuit(k=25, norm="init", step_size="plain", revive="none"),
    "mp_eleuther": MatchingPursuit(
        k=32,
        analysis="untied_bias",
        step_size="plain",
        on_repeat="ban",
        bias="sub_only",
        norm="project",
        revive="none",
    ),
    "mp_clean": MatchingPursuit(),
}
