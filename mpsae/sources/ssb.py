"""SynthSAEBench-16k and its smaller versions as a source."""

import jax
from jaxtyping import Array, Float

from mpsae.source import SourceConfig, WorldSource, check_held_out, preset_name, world_key, world_source
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
        return preset_name(self, PRESETS, apart=("held_out",))

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


# True L0 of one world of each: 34.5, 17.1, 8.4, 4.1, of which 25.2, 12.5, 6.1, 3.0 in the first quarter.
PRESETS = {
    "ssb16k": Ssb(held_out=1_000_000),
    "ssb2": Ssb().scaled(2),
    "ssb4": Ssb().scaled(4),
    "ssb8": Ssb().scaled(8),
}
