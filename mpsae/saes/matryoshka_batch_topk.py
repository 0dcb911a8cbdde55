"""Matryoshka BatchTopK: one code of the batch, whose prefixes each reconstruct on their own."""

import itertools

import jax.numpy as jnp

from mpsae import entries
from mpsae.sae import static
from mpsae.saes.batch_topk import BatchTopK


def _by_level(sae, params, x, errors, ctx):
    """Σ_l AuxK of the error that prefix l leaves, by the dead latents which are new in it."""
    cuts = sae.cuts(len(params["atoms"]))
    latent = jnp.arange(cuts[-1])
    blocks = [(latent >= low) & (latent < high) for low, high in itertools.pairwise((0, *cuts))]
    return sum(
        sae.wake(params, x, error, ctx, among=block) for error, block in zip(errors, blocks, strict=True)
    )


def _whole(sae, params, x, errors, ctx):
    """AuxK of the error of the whole code, by all dead latents."""
    return sae.wake(params, x, errors[-1], ctx)


AUXK_OF = {"level": _by_level, "whole": _whole}


class MatryoshkaBatchTopK(BatchTopK, name="matryoshka_batch_topk"):
    """The code of BatchTopK; loss = Σ over prefixes w of ‖x - x̂_w‖² + auxk · AuxK (arXiv 2503.17547).

    x̂_w = Σ_{i < w} z_i d_i + bias. levels: the widths w as shares of the dictionary, the last of them 1.
    Each level decodes only what it adds to the one before. auxk_of: the dead latents that are new in a
    level code the error of that level (`level`), or all of them the error of the whole code (`whole`).
    """

    orders_atoms = True

    levels: tuple[float, ...] = static(default=(1 / 32, 1 / 8, 1 / 2, 1.0))
    auxk_of: str = static(default="level", choices=tuple(AUXK_OF))

    def cuts(self, width: int) -> tuple[int, ...]:
        """The number of atoms in each prefix, at least 1."""
        return tuple(max(1, round(level * width)) for level in self.levels)

    def loss(self, params, x, ctx):
        atoms, cuts = params["atoms"], self.cuts(len(params["atoms"]))
        if self._dense(params, x):
            code = self._keep(params, x, self._count(len(x), ctx))
            parts = jnp.stack(
                [code.values[:, low:high] @ atoms[low:high] for low, high in itertools.pairwise((0, *cuts))]
            )
        else:
            kept, code = self._entries(params, x, ctx)
            level = jnp.searchsorted(jnp.asarray(cuts), kept.columns, side="right")
            parts = entries.combine_apart(kept, level, len(cuts), atoms)
        errors = x - jnp.cumsum(parts, axis=0) - params["bias"]
        loss = jnp.square(errors).sum(-1).mean(-1).sum()
        return loss + AUXK_OF[self.auxk_of](self, params, x, errors, ctx), code

    def validate(self, dim, width):
        super().validate(dim, width)
        for level in self.levels:
            if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 < level <= 1:
                raise ValueError(
                    f"sae.levels has {level!r}: must be shares of the atoms, above 0 and at most 1"
                )
        if not self.levels or self.levels[-1] != 1:
            raise ValueError(f"sae.levels = {self.levels!r}: must end with 1, the whole dictionary")
        cuts = self.cuts(width)
        if any(low >= high for low, high in itertools.pairwise(cuts)):
            raise ValueError(
                f"sae.levels = {self.levels!r}: at width = {width} the prefixes have"
                f" {', '.join(map(str, cuts))} atoms, must grow"
            )


# arXiv 2602.14687: widths 128, 512, 2048 and 4096; unit atoms as for `batch_topk_synthsaebench`.
PRESETS = {"matryoshka_batch_topk_synthsaebench": MatryoshkaBatchTopK(k=25.0)}
