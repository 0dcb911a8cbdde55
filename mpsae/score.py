"""Score a frozen SAE: stream held-out blocks through one compiled function, then apply the metrics."""

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import flax.struct as struct
import jax
import jax.numpy as jnp
import numpy as np

from mpsae import match as matching
from mpsae.code import Code
from mpsae.metrics import base
from mpsae.metrics.base import ABSENT, CONSTANTS, SHARED, STATISTICS, Batch, Formula, Matrix, Truth, Value
from mpsae.registry import pick

BINARY = 1000  # samples of the matching by codes
SAMPLE = 256  # rows kept for metrics that look at single supports


class Source(Protocol):
    """What the scorer reads of a source; the last block may have another size."""

    @property
    def dim(self) -> int: ...

    @property
    def blocks(self) -> int: ...

    @property
    def truth(self) -> Any: ...

    def held_out(self, i: int, /) -> tuple[Any, Any]: ...


@jax.jit
def _drawn(source, index):
    return source.held_out(index)


def held_out(source: Source, index: int) -> tuple[Any, Any]:
    """Block `index` of a source; one compiled program where the source is a pytree."""
    return _drawn(source, index) if isinstance(source, struct.PyTreeNode) else source.held_out(index)


class Scores(NamedTuple):
    """Rows to be: (metric, Value), the arrays, and the number of samples they rest on."""

    rows: list[tuple[str, Value]]
    matrices: dict[str, Matrix]
    n: int

    def value(self, name: str, at: dict[str, float] | None = None) -> float | None:
        """The value of a metric at a point of its curve ({} = the pooled one)."""
        for row, value in self.rows:
            if row == name and value.at == (at or {}):
                return value.value
        there = [value.at for row, value in self.rows if row == name]
        raise ValueError(f"no score {name!r} at {at or {}}: there are {there}")


def score(
    sae: Any, params: dict, source: Source, *, metrics: Sequence[str] | None = None, eps: float = 0.0
) -> Scores:
    """Every requested metric (default: all known) of a frozen SAE on the held-out rows of a source.

    What needs truth, or pursuit steps, is null with a note where there is none. A code of at
    most `eps` on a unit atom counts as inactive (0 keeps all; 1e-3 in Tree SAE; a pursuit
    without tolerance needs it, or its steps on rounding error count); x̂ keeps every code.
    """
    known = base.known_metrics()
    wanted = {name: pick(known, name, "metric") for name in (known if metrics is None else metrics)}
    truth = None if source.truth is None else Truth.of(source.truth)
    atoms = np.asarray(params["atoms"], np.float64)
    if not np.isfinite(atoms).all():
        raise ValueError("score: params['atoms'] holds values that are not finite")
    lacks = {
        name for name, there in (("truth", truth), ("steps", getattr(sae, "steps", None))) if there is None
    }

    missing = {name: _missing(formula.arguments, lacks) for name, formula in wanted.items()}
    usable = [formula for name, formula in wanted.items() if missing[name] is None]
    names = set().union(*(closure(formula.arguments) for formula in usable))
    needed = sorted(names & set(STATISTICS))
    match = None
    if truth is not None and any(_needs(name) for name in names):
        match = matching.by_cosine(matching.cosines(atoms, np.asarray(truth.atoms)))
    sums, n, center = _stream(sae, params, source, tuple(needed), truth=truth, match=match, eps=eps)

    book = Book(
        sums,
        n=n,
        atoms=atoms,
        center=center,
        truth=truth,
        match=match,
        binary_codes=partial(_binary_codes, sae, params, source, truth, eps),
        sample_codes=partial(_sample_codes, sae, params, source, eps),
    )
    rows, matrices = [], {}
    for name, formula in wanted.items():
        result = Value(None, note=missing[name]) if missing[name] else book.apply(formula)
        if isinstance(result, Matrix):
            matrices[name] = result
        else:
            rows += [(name, value) for value in _values(result)]
    return Scores(rows, matrices, n)


class Book:
    """Looks up what a formula asks for: statistics, constants, shared values (made once)."""

    def __init__(self, sums: dict[str, np.ndarray], **constants: Any):
        self.known = sums | constants

    def apply(self, formula: Formula) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return formula.function(*(self.get(name) for name in formula.arguments))

    def get(self, name: str) -> Any:
        if name not in self.known:
            self.known[name] = self.apply(SHARED[name])
        elif isinstance(self.known[name], partial):
            self.known[name] = self.known[name]()
        return self.known[name]


def closure(arguments: Iterable[str]) -> set[str]:
    """All names that a formula rests on, directly or through shared values."""
    found: set[str] = set()
    todo = list(arguments)
    while todo:
        name = todo.pop()
        pick(STATISTICS | SHARED | CONSTANTS, name, "argument of a metric")
        if name not in found:
            found.add(name)
            todo += SHARED[name].arguments if name in SHARED else ()
    return found


def _needs(name: str) -> set[str]:
    """What a value cannot do without: truth, steps."""
    if name in base.NEEDS_TRUTH:
        return {"truth"}
    return set(STATISTICS[name].needs) if name in STATISTICS else set()


def _missing(arguments: Iterable[str], lacks: set[str]) -> str | None:
    """Why a metric cannot be had, or None."""
    needs = set().union(*map(_needs, closure(arguments)))
    return next((why for name, why in ABSENT.items() if name in needs & lacks), None)


def _values(result: Any) -> list[Value]:
    """A metric's answer as Values; what is not finite is undefined."""
    if isinstance(result, list):
        return [value for part in result for value in _values(part)]
    value = result if isinstance(result, Value) else Value(result)
    if value.value is None:
        return [value if value.note else dataclasses.replace(value, note="undefined")]
    number = float(value.value)
    if not np.isfinite(number):
        return [dataclasses.replace(value, value=None, note="not finite")]
    return [dataclasses.replace(value, value=number)]


@partial(jax.jit, static_argnames=("functions", "stepwise"))
def _block(sae, params, x, zt, world, match, center, eps, *, functions, stepwise):
    """Every statistic of one block; what no statistic reads is never computed."""
    code = _encode(sae, params, x, zt)
    lengths = jnp.linalg.norm(params["atoms"], axis=1)
    indices, values = sae.steps(params, x) if stepwise else (None, None)
    batch = Batch(
        x=x,
        xhat=sae.decode(params, code),
        code=code,
        z=_active(code.dense(), lengths, eps),
        atoms=params["atoms"],
        center=center,
        zt=zt,
        world=world,
        match=match,
        steps=(indices, _active(values, lengths[indices], eps)) if stepwise else None,
    )
    return [function(batch) for function in functions]


@jax.jit
def _codes(sae, params, x, zt, eps):
    lengths = jnp.linalg.norm(params["atoms"], axis=1)
    return _active(_encode(sae, params, x, zt).dense(), lengths, eps)


def _active(values, lengths, eps):
    """The codes, 0 where they are at most eps on a unit atom."""
    return jnp.where(jnp.abs(values) * lengths <= eps, 0.0, values)


def _encode(sae, params, x, zt) -> Code:
    """The oracle reads the true codes; nothing else ever sees them."""
    given = getattr(sae, "encode_true", None)
    return sae.encode(params, x) if given is None else given(params, x, zt)


def _stream(sae, params, source, names, *, truth, match, eps):
    """(sums in float64 by name, rows, reference point) over all held-out blocks."""
    functions = tuple(STATISTICS[name].function for name in names)
    stepwise = any("steps" in STATISTICS[name].needs for name in names)
    world, match = _to_device((truth, match))
    sums: dict[str, np.ndarray] = {}
    rows, center = 0, None
    for index in range(source.blocks):
        x, zt = held_out(source, index)
        x, zt = _to_device((x, None if truth is None else zt))
        center = np.asarray(x, np.float64).mean(0).astype(np.float32) if center is None else center
        with jax.default_matmul_precision("highest"):
            parts = _block(
                sae,
                params,
                x,
                zt,
                world,
                match,
                jnp.asarray(center),
                eps,
                functions=functions,
                stepwise=stepwise,
            )
        rows += len(x)
        for name, part in zip(names, parts, strict=True):
            part = np.asarray(part, np.float64)
            combine = np.maximum if STATISTICS[name].reduce == "max" else np.add
            sums[name] = combine(sums[name], part) if name in sums else part
    if not rows:
        raise ValueError("score: the source has no held-out rows")
    return sums, rows, np.asarray(center, np.float64)


def _to_device(tree: Any) -> Any:
    """Leaves as int32 or float32 device arrays."""

    def move(leaf):
        whole = jnp.issubdtype(jnp.result_type(leaf), jnp.integer)
        return jnp.asarray(leaf, jnp.int32 if whole else jnp.float32)

    return jax.tree.map(move, tree)


def _first(source: Source, count: int, pick_part: int) -> np.ndarray:
    """The first rows of the held-out set, x (part 0) or true codes (part 1), whatever the block size."""
    parts, rows = [], 0
    for index in range(source.blocks):
        if rows >= count:
            break
        parts.append(np.asarray(held_out(source, index)[pick_part])[: count - rows])
        rows += len(parts[-1])
    return np.concatenate(parts)


def _binary_codes(sae, params, source, truth, eps):
    """Codes of x = b D* + offset, b the supports of the first held-out rows, and b."""
    support = (_first(source, BINARY, 1) > 0).astype(np.float64)
    x = jnp.asarray(support @ truth.atoms + truth.offset, jnp.float32)
    return np.asarray(_codes(sae, params, x, jnp.asarray(support, jnp.float32), eps), np.float64), support


def _sample_codes(sae, params, source, eps):
    x = jnp.asarray(_first(source, SAMPLE, 0), jnp.float32)
    zt = None if source.truth is None else jnp.asarray(_first(source, SAMPLE, 1), jnp.float32)
    return np.asarray(_codes(sae, params, x, zt, eps), np.float64)
