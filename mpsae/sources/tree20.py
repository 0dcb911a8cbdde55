"""The 20-node tree of arXiv 2506.03093 as a source."""

from mpsae.source import SourceConfig, WorldSource, check_held_out, world_key, world_source
from synthetic import trees


class Tree20(SourceConfig, name="tree20"):
    """Streaming samples of `synthetic.trees.tree20`; `held_out` is a number of rows."""

    correlation: float = 0.0
    mean: float = 1.5
    std: float = 0.25
    child_mean: float = 1.5
    child_std: float = 0.25
    held_out: int = 100_000

    def validate(self) -> None:
        """Refuse cosines no siblings can have, laws that are none, and partial blocks."""
        super().validate()
        trees.check_tree20(**self._laws())
        check_held_out(self.held_out)

    def build(self, world_seed: int) -> WorldSource:
        """The source of the tree drawn from this world seed."""
        self.validate()
        world = trees.tree20(world_key(world_seed), **self._laws())
        return world_source(self, world_seed, world, held_out=self.held_out)

    def _laws(self) -> dict[str, float]:
        return {
            "correlation": self.correlation,
            "mean": self.mean,
            "std": self.std,
            "child_mean": self.child_mean,
            "child_std": self.child_std,
        }
