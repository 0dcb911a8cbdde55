"""How devices are divided: over members of a stack, rows of a batch, and atoms of one dictionary."""

import dataclasses

from mpsae.registry import nearest

BLOCK = 32  # atoms on a device come in blocks of so many, in which maxima are searched


@dataclasses.dataclass(frozen=True)
class Layout:
    """`members` × `batch` × `atoms` devices; how a run is computed, never what it is: in no run id.

    Atoms, rows of an encoder, biases and the moments of Adam lie along `atoms`: each device has 1 / atoms
    of them, once for every part of the batch. The rest is on every device.

    Communicated in a step by a device that has b rows of a batch of B, in bytes:
    MP, per atom of k: b·(8·dim + 136) for the choice (the best product of each device, its place, and the
    row of the atom that won), and B·4·dim for the gradient. TopK: 8·b·k·atoms for the candidates, 4·b·dim to
    decode, 4·b·k for the gradient, and AuxK. ReLU: 8·b·dim. A batch in parts adds its rows, about
    B·(8·dim + 16·k), where codes are sparse, and the whole gradient where they are dense.
    Nothing of size batch × width is communicated by these, nor anything of width × dim but that last;
    by other variants, which have not been tried, it may be.
    """

    members: int = 1
    batch: int = 1
    atoms: int = 1

    @classmethod
    def parse(cls, text: str) -> "Layout":
        """The layout of "members=1,batch=2,atoms=4"; what is not named is 1. Raises ValueError."""
        axes = [field.name for field in dataclasses.fields(cls)]
        parts: dict[str, int] = {}
        for word in text.split(","):
            name, _, count = word.strip().partition("=")
            if name not in axes:
                raise ValueError(
                    f"mesh = {text!r}: unknown axis {name!r}, known are {', '.join(axes)}{nearest(name, axes)}"
                )
            if name in parts:
                raise ValueError(f"mesh = {text!r}: names {name} twice")
            if not count.isdecimal() or int(count) < 1:
                raise ValueError(f"mesh = {text!r}: {name} must be a number of devices from 1, as {name}=2")
            parts[name] = int(count)
        return cls(**parts)

    @property
    def devices(self) -> int:
        """How many there must be."""
        return self.members * self.batch * self.atoms

    def __str__(self) -> str:
        return f"members={self.members},batch={self.batch},atoms={self.atoms}"

    def refuse_misfit(self, *, width: int, batch: int, devices: int) -> None:
        """ValueError for more devices than there are, and for rows or atoms that do not divide evenly."""
        if self.devices > devices:
            raise ValueError(f"mesh = '{self}': needs {self.devices} devices, here are {devices}")
        if batch % self.batch:
            raise ValueError(f"mesh = '{self}': optim.batch = {batch} must be a multiple of {self.batch}")
        if self.atoms > 1 and width % (BLOCK * self.atoms):
            raise ValueError(
                f"mesh = '{self}': width = {width} must be a multiple of {BLOCK * self.atoms},"
                f" {BLOCK} atoms for each of {self.atoms} devices"
            )

    def refuse_idle(self, devices: int, processes: int) -> None:
        """ValueError where several processes have more devices than are used: each must have its part."""
        if processes > 1 and self.devices != devices:
            raise ValueError(
                f"mesh = '{self}': {processes} processes have {devices} devices, all of which must be divided"
            )
