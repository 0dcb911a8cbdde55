"""The original Matryoshka toy (noanabeshima/matryoshka-saes) as a source."""

from mpsae.source import SourceConfig, WorldSource, check_held_out, world_key, world_source
from synthetic import trees


class ToyMatryoshka(SourceConfig, name="toy_matryoshka"):
    """Streaming samples of `synthetic.trees.toy_matryoshka`; `held_out` is a number of rows."""

    held_out: int = 100_000

    def validate(self) -> None:
        """Refuse partial blocks."""
        super().validate()
        check_held_out(self.held_out)

    def build(self, world_seed: int) -> WorldSource:
        """The source of the toy drawn from this world seed."""
        self.validate()
        world = trees.toy_matryoshka(world_key(world_seed))
        return world_source(self, world_seed, world, held_out=self.held_out)
