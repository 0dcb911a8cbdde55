"""Where the few true entries of long rows are, as one list of all rows of a fixed length."""

import flax.struct as struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

LANES = 32  # entries counted together: their counts and one group are much shorter than a row


class Places(struct.PyTreeNode):
    """The true entries of a mask [rows, n], numbered row after row."""

    lanes: Bool[Array, "rows groups 32"]
    within: Int[Array, "rows groups"]  # true entries of the row up to the end of this group
    ends: Int[Array, " rows"]  # true entries up to the end of this row

    @property
    def count(self) -> Int[Array, ""]:
        """How many entries are true."""
        return self.ends[-1]

    @property
    def starts(self) -> Int[Array, " rows"]:
        """True entries before each row."""
        return self.ends - self.within[:, -1]

    def find(
        self, number: Int[Array, " slots"]
    ) -> tuple[Int[Array, " slots"], Int[Array, " slots"], Int[Array, " slots"]]:
        """(row, place in the row, number within the row) of true entries number 0 ... count - 1.

        Entry w lies where a running count first exceeds w, so the index is how many counts are at
        most w: among rows, then among groups, then inside one.
        """
        row = (self.ends <= number[:, None]).sum(1)
        number -= self.starts[row]
        within = self.within[row]
        group = (within <= number[:, None]).sum(1)
        lanes = self.lanes[row, group]
        count = jnp.cumsum(lanes, axis=1)
        before = jnp.take_along_axis(within, group[:, None], 1) - count[:, -1:]
        return row, group * LANES + (count <= number[:, None] - before).sum(1), number

    def spread(self, values: Float[Array, "slots dim"], first: Array | int) -> Float[Array, "rows dim"]:
        """The sum of each row's values, where values[i] is of true entry number first + i.

        Entries of a row stand side by side, so no scatter is needed, whose order of summation
        would be open on a GPU.
        """
        start, end = (jnp.clip(ends - first, 0, len(values)) for ends in (self.starts, self.ends))

        def add(k, total):
            slot = start + k
            return total + jnp.where((slot < end)[:, None], values[jnp.minimum(slot, len(values) - 1)], 0.0)

        nothing = jnp.zeros((len(self.ends), values.shape[1]), values.dtype)
        return jax.lax.fori_loop(0, (end - start).max(), add, nothing)


def places(mask: Bool[Array, "rows n"]) -> Places:
    """The places of this mask."""
    rows, n = mask.shape
    lanes = jnp.pad(mask, ((0, 0), (0, -n % LANES))).reshape(rows, -1, LANES)
    within = jnp.cumsum(lanes.sum(2, dtype=jnp.int32), axis=1)
    return Places(lanes=lanes, within=within, ends=jnp.cumsum(within[:, -1]))
