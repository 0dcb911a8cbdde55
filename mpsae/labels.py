"""What is known of the held-out items of a source, pairs or plain rows."""

from collections.abc import Mapping

import flax.struct as struct
import numpy as np
from jaxtyping import Array, Float, Int


class Labels(struct.PyTreeNode):
    """For each factor the class of every held-out item: of a pair, or of a row where rows are no pairs.

    of: factor -> [items], -1 where unknown. between: factor -> edges between its classes in a graph of
    its own. classes: factor -> names. parent: factor -> the coarser factor whose class is decided by it,
    as kind -> family -> domain.
    """

    of: Mapping[str, Int[Array | np.ndarray, " items"]]
    between: Mapping[str, Float[Array | np.ndarray, "classes classes"]] = struct.field(default_factory=dict)
    classes: tuple[tuple[str, tuple[str, ...]], ...] = struct.field(pytree_node=False, default=())
    parent: tuple[tuple[str, str], ...] = struct.field(pytree_node=False, default=())

    def names(self, factor: str) -> tuple[str, ...]:
        """The names of a factor's classes."""
        return dict(self.classes)[factor]
