"""The rows without which a score cannot be read: the truth itself, and dictionaries no SAE has learned."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mpsae.code import Code
from mpsae.config import Run, Seed, deciding, plain
from mpsae.dictionaries import FITTED
from mpsae.projection import Cut, Params, Reader, calibrated
from mpsae.registry import pick
from mpsae.source import Source
from mpsae.train import training_rows

ROWS = 2**14  # training rows that a dictionary or a threshold is fitted on


class TrueCodes(Reader):
    """The true codes, which the scorer hands to `encode_true`."""

    def encode_true(self, params: Params, x: Array, zt: Float[Array, "batch P"]) -> Code:
        """The true codes of the features that are atoms: the first ones."""
        width = len(params["atoms"])
        return Code(values=zt[:, :width], width=width)


@dataclasses.dataclass(frozen=True)
class Bound:
    """A row that no SAE was trained for: a dictionary and an encoder for it.

    dictionary: `true` (of its features the first, in SynthSAEBench the most frequent), `random`
    (Gaussian directions) or fitted on `ROWS` training rows (`pca`, `kmeans`, `dictionary_learning`).
    encoder: anything that encodes by `atoms` and `bias` alone, as `Projection`, `Cut` and the
    pursuits do; None is the true codes, which only the true dictionary has.
    """

    name: str
    dictionary: str
    encoder: Any

    def __post_init__(self):
        pick(GIVEN | FITTED, self.dictionary, "dictionary")
        if self.encoder is None and self.dictionary != "true":
            raise ValueError(
                f"bound {self.name!r}: dictionary {self.dictionary!r} needs an encoder, only 'true' has true codes"
            )

    @property
    def rows(self) -> int:
        """How many training rows it is fitted on."""
        return ROWS if self.dictionary in FITTED or isinstance(self.encoder, Cut) else 0

    def width(self, source: Source, asked: int) -> int:
        """How many atoms it has beside SAEs with `asked` atoms: at most one per true feature, if not fitted."""
        assert source.truth is not None  # a bound is made only where the truth is known
        features, dim = source.truth.atoms.shape
        most = {"pca": 2 * dim} | dict.fromkeys(GIVEN, features)
        return min(asked, most.get(self.dictionary, asked))

    def identity(self, run: Run, source: Source, fingerprint: str) -> dict[str, Any]:
        """What decides its numbers beside a run."""
        fitted = {"rows": self.rows} if self.rows else {}
        encoder = {} if self.encoder is None else deciding(self.encoder)
        return {
            "source": {"name": run.source.name} | plain(run.source) | {"fingerprint": fingerprint},
            "variant": self.name,
            "fields": {"dictionary": self.dictionary} | fitted | encoder,
            "width": self.width(source, run.width),
            "seed": plain(run.seed),
        }

    def build(self, source: Source, seed: Seed, width: int) -> tuple[Any, Params]:
        """(encoder, params) for a source with truth; a run of this seed trains on the rows it is fitted on.

        params: `atoms`, and as `bias` the world's offset, or the mean of the rows that atoms are fitted on.
        """
        world: Any = source.truth
        rows = training_rows(source, seed.data, self.rows) if self.rows else np.zeros((0, source.dim))
        if self.dictionary in FITTED:
            atoms, bias = FITTED[self.dictionary](rows.astype(np.float64), width, seed.init)
        else:
            atoms, bias = GIVEN[self.dictionary](world, width, seed.init), world.offset
        params = {"atoms": jnp.asarray(atoms, jnp.float32), "bias": jnp.asarray(bias, jnp.float32)}
        encoder = TrueCodes() if self.encoder is None else self.encoder
        return encoder, calibrated(encoder, params, rows)


def _random(world: Any, width: int, seed: int) -> Array:
    rows = jax.random.normal(jax.random.key(seed), (width, world.atoms.shape[1]))
    return rows / jnp.linalg.norm(rows, axis=1, keepdims=True)


GIVEN = {"true": lambda world, width, seed: world.atoms[:width], "random": _random}
