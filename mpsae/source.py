"""Where samples come from: the contract of a source, its config, and the registry of those known."""

import dataclasses
import hashlib
import json
import math
import typing
from collections.abc import Mapping
from typing import ClassVar, Protocol

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8, UInt32

from mpsae.labels import Labels
from mpsae.registry import load_all, pick, presets_of, refuse_twice
from mpsae.shuffle import shuffled
from synthetic.world import GENERATOR

BLOCK = 1000  # held-out rows are served in blocks of this size
NORMS = ("keep", "unit")
WORLD_KEY, HELD_OUT_KEY, SPLIT_KEY = 0x776F726C, 0x68656C64, 0x73706C69  # any three distinct numbers

SOURCES: dict[str, type["SourceConfig"]] = {}


class World(Protocol):
    """What a source needs of a world; what the scorer reads of one is `mpsae.metrics.base.Truth`."""

    @property
    def atoms(self) -> Float[Array, "features dim"]: ...

    def sample(self, key: Array, n: int, /) -> tuple[Float[Array, "n dim"], Float[Array, "n features"]]: ...


class Source(struct.PyTreeNode):
    """An endless, repeatable supply of training rows and a fixed set of held-out rows.

    `batch` is a pure function of (run key, step), so a run resumes exactly; `held_out`
    depends on neither, so every variant and every run seed is scored on the same rows.
    """

    stackable: ClassVar[bool] = False  # members of one stack may bring their own leaves
    paired: ClassVar[bool] = False  # rows 2j and 2j + 1 are an image and its text (`mpsae.pairs`)

    dim: int = struct.field(pytree_node=False)
    rows_held_out: int = struct.field(pytree_node=False)
    block: int = struct.field(pytree_node=False)

    @property
    def blocks(self) -> int:
        """How many blocks of held-out rows there are."""
        return self.rows_held_out // self.block

    @property
    def truth(self) -> World | None:
        """The world behind the rows where one is known."""
        return None

    def batch(self, key: Array, step: Array | int, size: int) -> Float[Array, "size dim"]:
        """The training rows of one step of the run with this data key."""
        raise TypeError(f"{type(self).__name__} does not define batch(key, step, size)")

    def held_out(
        self, i: Array | int
    ) -> tuple[Float[Array, "block dim"], Float[Array, "block features"] | None]:
        """Block i in range(blocks) of the held-out rows, and their true codes or None."""
        raise TypeError(f"{type(self).__name__} does not define held_out(i)")

    def fingerprint(self) -> str:
        """sha256, in hex, of what decides every row this source can give."""
        raise TypeError(f"{type(self).__name__} does not define fingerprint()")


class WorldSource(Source):
    """Samples of a world, never repeated; held-out rows come from a stream of their own."""

    stackable: ClassVar[bool] = True

    world: World
    seed: UInt32[Array, ""]  # the world seed
    digest: UInt8[Array, "32"]  # a leaf, not static: members of one stack differ in it

    @property
    def truth(self) -> World:
        """The world itself."""
        return self.world

    def batch(self, key: Array, step: Array | int, size: int) -> Float[Array, "size dim"]:
        """`world.sample` with the key of this step."""
        return self.world.sample(jax.random.fold_in(key, step), size)[0]

    def held_out(self, i: Array | int) -> tuple[Float[Array, "block dim"], Float[Array, "block features"]]:
        """Block i, drawn from a key of (world seed, i) alone, with its true codes."""
        stream = jax.random.fold_in(jax.random.key(HELD_OUT_KEY), self.seed)
        return self.world.sample(jax.random.fold_in(stream, i), self.block)

    def fingerprint(self) -> str:
        """sha256 of the canonical config, the world seed and the generator's version."""
        return np.asarray(self.digest).tobytes().hex()


class ArraySource(Source):
    """Rows held in memory: each exactly once per epoch, in an order of its own per epoch; labels of the held-out ones."""

    rows: Float[Array, "train dim"]
    held: Float[Array, "held dim"]
    labels: Labels | None = None

    def batch(self, key: Array, step: Array | int, size: int) -> Float[Array, "size dim"]:
        """Rows at positions step·size ... of the shuffled stream; a batch may straddle two epochs."""
        start = jnp.asarray(step).astype(jnp.uint32) * size
        positions = start + jnp.arange(size, dtype=jnp.uint32)
        return self.rows[shuffled(key, len(self.rows), positions)]

    def held_out(self, i: Array | int) -> tuple[Float[Array, "block dim"], None]:
        """Rows i·block ... of the held-out array; no codes are known."""
        return jax.lax.dynamic_slice_in_dim(self.held, i * self.block, self.block), None

    def fingerprint(self) -> str:
        """sha256 of shape and bytes of the training rows, of the held-out rows, and of labels where there are some."""
        digest = hashlib.sha256()
        for leaf in jax.tree.leaves((self.rows, self.held, self.labels)):
            values = np.ascontiguousarray(leaf)
            values = values.astype("<f4" if values.dtype.kind == "f" else "<i4")
            digest.update(f"{values.dtype.name} {values.shape}".encode())
            digest.update(values.data)
        if self.labels is not None:
            digest.update(repr((self.labels.classes, self.labels.parent)).encode())
        return digest.hexdigest()


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """What a source is built from: plain numbers and strings, registered under an id.

    Subclass it with `name="id"`, declare fields as `field: float = default`, refuse bad
    values in `validate` and return a source from `build`; where that does not depend on the
    world seed, say `stored = True`. No decorator is needed.
    """

    name: ClassVar[str] = "source"
    stored: ClassVar[bool] = False  # whether rows, and which are held out, are the same for every seed
    centrings: ClassVar[tuple[str, ...]] = ()  # what may be taken off its rows, least first
    in_fingerprint: ClassVar[tuple[str, ...]] = ("path",)  # told by the data or not seen in them: in no id

    @property
    def title(self) -> str:
        """What a figure calls the data; not part of its identity."""
        return self.name

    def __init_subclass__(cls, *, name: str | None = None):
        super().__init_subclass__()
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        cls.name = name or cls.__name__.lower()
        refuse_twice(SOURCES.get(cls.name), cls, cls.name, "source id")
        SOURCES[cls.name] = cls

    def validate(self) -> None:
        """Refuse values no source can be built from, by ValueError; here only wrong types."""
        for name, kind in self._kinds().items():
            value = getattr(self, name)
            allowed = (int, float) if kind is float else (kind,)
            if not isinstance(value, allowed) or isinstance(value, bool):
                raise ValueError(f"{self.name}.{name} = {value!r}: must be of type {kind.__name__}")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{self.name}.{name} = {value}: must be a finite number")

    def build(self, world_seed: int) -> Source:
        """The source of this config and world seed; the seed means nothing to stored rows."""
        raise TypeError(f"{type(self).__name__} does not define build(world_seed)")

    def canonical(self) -> str:
        """One spelling per meaning: id and fields as JSON with sorted keys and cast numbers."""
        fields = {name: kind(getattr(self, name)) for name, kind in self._kinds().items()}
        fields = {name: value or type(value)() for name, value in fields.items()}  # -0.0 is 0.0
        return json.dumps({"name": self.name} | fields, sort_keys=True, separators=(",", ":"))

    def _kinds(self) -> dict[str, type]:
        hints = typing.get_type_hints(type(self))
        return {field.name: hints[field.name] for field in dataclasses.fields(self)}


def known_sources() -> dict[str, type[SourceConfig]]:
    """Every registered source config by id: the package's own and those of installed plug-ins."""
    import mpsae.sources as package

    load_all(package, "mpsae.sources")
    return dict(SOURCES)


def find_source(name: str) -> type[SourceConfig]:
    """The source config with this id. Raises ValueError with the nearest spelling."""
    return pick(known_sources(), name, "source")


def worlds() -> dict[str, SourceConfig]:
    """Worlds that have a name of their own, by it: the `PRESETS` of source modules."""
    return presets_of(known_sources().values())


def preset_name(config: SourceConfig, presets: Mapping[str, SourceConfig], *, apart: tuple[str, ...]) -> str:
    """The name of the preset that this config equals but for the fields `apart`, else the id of its source."""
    own = {field: getattr(config, field) for field in apart}
    same = (name for name, preset in presets.items() if dataclasses.replace(preset, **own) == config)
    return next(same, config.name)


def world_key(world_seed: int) -> Array:
    """The key a world is built from; no data key or held-out key equals it."""
    if not isinstance(world_seed, int) or not 0 <= world_seed < 2**32:
        raise ValueError(f"world_seed = {world_seed!r}: must be an integer from 0 to 2**32 - 1")
    return jax.random.fold_in(jax.random.key(WORLD_KEY), np.uint32(world_seed))


def world_source(
    config: SourceConfig,
    world_seed: int,
    world: World,
    *,
    held_out: int,
    kind: type[WorldSource] = WorldSource,
) -> WorldSource:
    """The source, of this kind, of a world that `config` and `world_seed` decide completely."""
    text = f"{config.canonical()} world_seed={world_seed} generator={GENERATOR}"
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    return kind(
        dim=world.atoms.shape[1],
        rows_held_out=held_out,
        block=min(BLOCK, held_out),
        world=world,
        seed=jnp.uint32(world_seed),
        digest=jnp.asarray(digest),
    )


def array_source(rows: np.ndarray, held: np.ndarray, labels: Labels | None = None) -> ArraySource:
    """The source of float32 rows to train on and rows kept apart, and what is known of these."""
    check_held_out(len(held))
    return ArraySource(
        dim=rows.shape[1],
        rows_held_out=len(held),
        block=min(BLOCK, len(held)),
        rows=jnp.asarray(rows, jnp.float32),
        held=jnp.asarray(held, jnp.float32),
        labels=labels,
    )


def check_choices(config: SourceConfig, **allowed: tuple[str, ...]) -> None:
    """Refuse a field that is none of its choices, by ValueError."""
    for field, choices in allowed.items():
        value = getattr(config, field)
        if value not in choices:
            raise ValueError(f"{config.name}.{field} = {value!r}: must be one of {', '.join(choices)}")


def normed(rows: np.ndarray, norm: str) -> np.ndarray:
    """The rows as one of `NORMS` has them: `unit` divides each by its length; a zero row stays zero."""
    if norm == "keep":
        return rows
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def check_held_out(rows: int) -> None:
    """Refuse a number of held-out rows that does not fill whole blocks."""
    if rows < 1 or (rows > BLOCK and rows % BLOCK):
        raise ValueError(f"held_out = {rows}: must be 1 to {BLOCK}, or a multiple of {BLOCK}, the block size")


def fixed_order(n: int) -> np.ndarray:
    """One permutation of range(n), the same on every machine: who is held out never changes."""
    return np.asarray(shuffled(jax.random.key(SPLIT_KEY), n, jnp.arange(n)))
