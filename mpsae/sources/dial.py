"""Superposed hierarchies whose geometry and firing move independently, as a source."""

from mpsae.source import SourceConfig, WorldSource, check_held_out, preset_name, world_key, world_source
from synthetic.dial import Dials, dial


class Dial(Dials, SourceConfig, name="dial"):
    """Streaming samples of `synthetic.dial.dial`; `held_out` is a number of rows."""

    held_out: int = 100_000

    @property
    def title(self) -> str:
        """The name of the preset that has these dials, else `dial`."""
        return preset_name(self, PRESETS, apart=("held_out",))

    def validate(self) -> None:
        """Refuse dials no world can be made of, and partial blocks."""
        super().validate()
        self.check()
        check_held_out(self.held_out)

    def build(self, world_seed: int) -> WorldSource:
        """The source of the world drawn from this seed."""
        self.validate()
        return world_source(self, world_seed, dial(world_key(world_seed), self), held_out=self.held_out)


# dial_XS is the paper's tree alone; the others hold 5 features per dimension.
PRESETS = {
    "dial_XS": Dial(dim=20, clans=1, rate=1.0),
    "dial_S": Dial(),
    "dial_M": Dial(dim=256, clans=64),
}
