"""SynthSAEBench-16k and its smaller versions as a source."""

import dataclasses

import jax
from jaxtyping import Array, Float

from mpsae.source import SourceConfig, WorldSource, check_held_out, world_key, world_source
from synthetic.ssb import SsbWorld, ssb
from synthetic.ssb_recipe import Recipe


class SsbSource(WorldSource):
    """Streaming rows of a `synthetic.ssb.SsbWorld`; training never holds the codes of a batch."""

    world: SsbWorld

    def batch(self, key: Array, step: Array | int, size: int) -> Float[Array, "size dim"]:
        """`world.rows` with the key of this step."""
        return self.world.rows(jax.random.fold_in(key, step), size)


class Ssb(Recipe, SourceConfig, name="ssb"):
    """Streaming samples of `synthetic.ssb.ssb`; `held_out` is a number of rows.

    The defaults are SynthSAEBench-16k, `scaled(s)` its smaller versions. The published SAEs are a
    quarter as wide as there are features.
    """

    held_out: int = 100_000

    @property
    def title(self) -> str:
        """The name of the preset that has these numbers, else `ssb`."""
        return next((name for name, preset in PRESETS.items() if self._same(preset)), self.name)

    def _same(self, other: "Ssb") -> bool:
        return dataclasses.replace(self, held_out=other.held_out) == other

    def validate(self) -> None:
        """Refuse numbers no world can be made of, and partial blocks."""
        super().validate()
        self.check()
        check_held_out(self.held_out)

    def build(self, world_seed: int) -> WorldSource:
        """The source of the world drawn from this seed."""
        self.validate()
        world = ssb(world_key(world_seed), self)
        return world_source(self, world_seed, world, held_out=self.held_out, kind=SsbSource)


# Measured over three world seeds: E[L0] 34.4, 17.1, 8.5, 4.0 and in the first quarter 25.1, 12.4, 6.2, 2.9.
PRESETS = {
    "ssb16k": Ssb(held_out=1_000_000),
    "ssb2": Ssb().scaled(2),
    "ssb4": Ssb().scaled(4),
    "ssb8": Ssb().scaled(8),
}
