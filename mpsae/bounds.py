"""What a score may hold at once, in bytes, and what happens above it: a null with a note.

A metric whose table is too large is never skipped and never fails half-way: whoever
would make the table raises `TooLarge`, and the scorer turns it into the note of its row.
"""

import math

TABLE = 2**29  # of one accumulator or array in float64: 8192 x 8192. Its users need a few copies.
BLOCK = 2**26  # of one float64 block of a pass over a table that is never whole
WORK = 2**28  # of the float32 working set of one chunk of rows on the device


class TooLarge(ValueError):
    """A table that does not fit `TABLE`; the message is the note of every metric that needs it."""


def check_table(*shape: int) -> None:
    """Refuse a float64 table of this shape above `TABLE` bytes."""
    if 8 * math.prod(shape) > TABLE:
        side = math.isqrt(TABLE // 8)
        raise TooLarge(f"needs a {' x '.join(map(str, shape))} table: above {side} x {side}")


def rows_per_block(entries: int) -> int:
    """How many rows of so many float64 entries make a block of `BLOCK` bytes; at least 1."""
    return max(1, BLOCK // (8 * max(entries, 1)))
