"""What a metric is: statistics summed over rows on the device, and formulas over the sums.

    @statistic
    def sum_square_error(b):                  # JAX; summed over the rows of one batch
        return jnp.square(b.x - b.xhat).sum()

    @metric
    def mse_sum(sum_square_error, n):         # numpy float64; argument names say what it needs
        "Mean over rows of ‖x - x̂‖²; >= 0; squared input units."
        return sum_square_error / n

Argument names are looked up among statistics, `@shared` values (computed once per
score, themselves functions of such names) and the constants of `CONSTANTS`.
"""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.struct as struct
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from mpsae import tally
from mpsae.code import Code
from mpsae.registry import load_all, refuse_twice

CONSTANTS = {
    "n": "number of rows scored",
    "atoms": "[p, dim] decoder rows of the frozen SAE, float64",
    "encoder": "[p, dim] columns of the frozen SAE's encoder matrix, float64",
    "center": "[dim] the fixed reference point of the deviations, float64",
    "truth": "the Truth, in numpy",
    "match": "[P] latent matched to each true feature by signed cosine, -1 = none",
    "binary_codes": "(z [1000, p], z_true [1000, P]) of binary samples in scipy.sparse, to match by codes",
    "sample_rows": "[256, dim] the first 256 rows, float64",
    "sample_codes": "[256, p] their codes",
    "parts": "the Parts: rows, reconstructions and codes of the first held-out pairs or plain rows",
    "pool_first": "(image, text) codes of the first pursuit step in the pool, scipy.sparse [N, p]",
    "labels": "the Labels of the held-out pairs or rows, in numpy; those of the parts come first",
    "scores_true": "the TrueScores of a world of pairs, in numpy",
    "captions": "what the texts of the held-out pairs say; those of the pool come first",
    "speaker": "the Speaker of the source: its text encoder",
}
NEEDS = {
    "truth": "truth",
    "match": "truth",
    "binary_codes": "truth",
    "encoder": "encoder",
    "pool": "pairs",
    "pool_first": "steps",
    "labels": "labels",
    "scores_true": "scores_true",
    "captions": "captions",
    "speaker": "speaker",
}
Table = Array | np.ndarray  # numpy in a metric, JAX in a statistic
ABSENT = {
    "truth": "no ground truth",
    "steps": "not a pursuit: the variant has no steps()",
    "encoder": "the variant has no encoder matrix",
    "pairs": "rows are not pairs of an image and a text",
    "labels": "no labels",
    "scores_true": "no true modality scores",
    "captions": "no captions",
    "speaker": "no text encoder",
}


class Truth(struct.PyTreeNode):
    """The part of a world that metrics may use; P features in `dim` dimensions."""

    atoms: Float[Table, "P dim"]
    parent: Int[Table, " P"]  # -1 = top
    level: Int[Table, " P"]
    group: Int[Table, " P"]  # siblings share a group; below 0 = none
    mean: Float[Table, " P"]  # of the coefficient, given that the feature is on
    offset: Float[Table, " dim"]
    true_l0: float | Table

    @classmethod
    def of(cls, world: Any) -> "Truth":
        """The same fields of any world, in numpy (float64)."""
        atoms = np.asarray(world.atoms, np.float64)
        offset = np.asarray(world.offset, np.float64)
        whole = {name: np.asarray(getattr(world, name), np.int32) for name in ("parent", "level", "group")}
        mean = np.asarray(world.mean, np.float64)
        return cls(atoms=atoms, offset=offset, mean=mean, true_l0=float(world.true_l0), **whole)


class Batch(struct.PyTreeNode):
    """What a statistic sees: one block of rows, its codes and, if known, its truth.

    `code` is what the encoder said. Statistics read `active`: the same with repeats merged and 0
    where at most `eps` on a unit atom, dense or sparse as the encoder had it; `mpsae.tally` sums
    both forms. `z`, `scaled` are its dense forms, [batch, p], made for those who read them.
    """

    x: Float[Array, "batch dim"]
    xhat: Float[Array, "batch dim"]
    code: Code
    active: Code
    atoms: Float[Array, "p dim"]
    center: Float[Array, " dim"]
    zt: Float[Array, "batch P"] | None = None
    world: Truth | None = None
    match: Int[Array, " P"] | None = None
    steps: tuple[Array, Array] | None = None
    given: dict[str, Array] = struct.field(default_factory=dict)  # the shared values in its `needs`

    @property
    def z(self) -> Float[Array, "batch p"]:
        """The active codes, dense."""
        return self.active.dense()

    @property
    def residual(self) -> Float[Array, "batch dim"]:
        """x - x̂."""
        return self.x - self.xhat

    @property
    def unit(self) -> Float[Array, "p dim"]:
        """Atoms of norm 1; zero atoms stay zero."""
        norms = jnp.linalg.norm(self.atoms, axis=1, keepdims=True)
        return self.atoms / jnp.where(norms > 0, norms, 1.0)

    @property
    def on_unit(self) -> Code:
        """The active code on unit atoms: z_i ‖d_i‖."""
        lengths = jnp.linalg.norm(self.atoms, axis=1)
        return self.active.replace(values=self.active.values * tally.of_latent(self.active, lengths))

    @property
    def scaled(self) -> Float[Array, "batch p"]:
        """`on_unit`, dense."""
        return self.on_unit.dense()

    @property
    def matched(self) -> Float[Array, "batch P"]:
        """Per true feature the scaled code of its matched latent; 0 where it has none."""
        if self.match is None:
            raise ValueError('Batch.matched needs truth: register the statistic with needs="truth"')
        return tally.columns(self.on_unit, self.match)


@dataclasses.dataclass(frozen=True)
class Value:
    """One number: None is "undefined", `count` is how many items a mean went over.

    at: the point of a curve, or the part that it is about, as {"k": 4} or {"factor": "kind"}.
    """

    value: float | None
    count: int | None = None
    at: dict[str, float | str] = dataclasses.field(default_factory=dict)
    note: str | None = None


class Side(NamedTuple):
    """One side of what is kept whole: N rows, what the SAE makes of them, and its active codes."""

    x: Float[np.ndarray, "N dim"]
    xhat: Float[np.ndarray, "N dim"]
    z: Any  # scipy.sparse [N, p], float64


class Pool(NamedTuple):
    """Held-out pairs kept whole, for metrics that compare pairs with each other; row j pairs with row j.

    empty: x̂ of a code without entries, so that part of a code decodes to z_part D + empty.
    """

    image: Side
    text: Side
    empty: Float[np.ndarray, " dim"]


class Parts(NamedTuple):
    """Held-out items kept whole: pairs as `image` and `text`, or plain rows as `rows`; row j of a side is item j.

    empty: x̂ of a code without entries.
    """

    sides: dict[str, Side]
    empty: Float[np.ndarray, " dim"]

    @property
    def items(self) -> int:
        """How many there are."""
        return len(next(iter(self.sides.values())).x)


class TrueScores(struct.PyTreeNode):
    """Of P true features: the share of the coefficient (linear) and its energy (squared) that is image."""

    linear: Float[Table, " P"]
    squared: Float[Table, " P"]


class Matrix(NamedTuple):
    """An array to be kept beside the rows: a heatmap, a histogram."""

    array: np.ndarray


class Statistic(NamedTuple):
    """A registered device function, how blocks combine, and what it cannot do without."""

    function: Callable[[Batch], Array]
    reduce: str
    needs: tuple[str, ...]


class Formula(NamedTuple):
    """A registered numpy function, the names of what it is computed from, and whether it must be asked for."""

    function: Callable
    arguments: tuple[str, ...]
    on_request: bool = False


STATISTICS: dict[str, Statistic] = {}
SHARED: dict[str, Formula] = {}
METRICS: dict[str, Formula] = {}


def statistic(function: Callable | None = None, *, reduce: str = "sum", needs: tuple[str, ...] | str = ()):
    """Register f(b: Batch) -> array, a sum (or max) over rows.

    needs: "truth", "steps", or `@shared` values that rest on no statistic, such as a matching:
    they are made before the first row is read and are `b.given[name]`.
    """
    if reduce not in ("sum", "max"):
        raise ValueError(f"statistic: reduce = {reduce!r}, must be one of sum, max")
    needs = (needs,) if isinstance(needs, str) else tuple(needs)
    if not set(needs) <= set(ABSENT) | set(SHARED):
        raise ValueError(f"statistic: needs = {needs!r}, must be among {', '.join((*ABSENT, *SHARED))}")

    def register(function: Callable) -> Callable:
        _unique(STATISTICS, function, function.__name__, "statistic")
        STATISTICS[function.__name__] = Statistic(function, reduce, needs)
        return function

    return register if function is None else register(function)


def shared(function: Callable) -> Callable:
    """Register a value that several metrics use; computed at most once per score."""
    _unique(SHARED, function, function.__name__, "shared value")
    SHARED[function.__name__] = Formula(function, tuple(inspect.signature(function).parameters))
    return function


def metric(function: Callable | None = None, *, name: str | None = None, on_request: bool = False):
    """Register a metric under its function's name (or `name`); it returns a float, None,
    a Value, a list of Values (a curve; the point is in `at`) or a Matrix.

    on_request: too slow for every run; computed only where it is named.
    """

    def register(function: Callable) -> Callable:
        label = name or function.__name__
        _unique(METRICS, function, label, "metric")
        METRICS[label] = Formula(function, tuple(inspect.signature(function).parameters), on_request)
        return function

    return register if function is None else register(function)


def known_metrics() -> dict[str, Formula]:
    """Every registered metric by name: the package's own and those of installed plug-ins."""
    import mpsae.metrics as package

    load_all(package, "mpsae.metrics")
    return dict(METRICS)


def ratio(above: float, below: float, *, count: int | None = None, note: str = "0/0") -> Value:
    """above / below, or null with a note where below is 0."""
    return Value(None, count, note=note) if below == 0 else Value(float(above / below), count)


def _unique(table: dict[str, Any], function: Callable, name: str, what: str) -> None:
    """Refuse a second definition; the same place again is a notebook re-run."""
    if table is not METRICS:
        others = SHARED if table is STATISTICS else STATISTICS
        if name in others or name in CONSTANTS or name in ABSENT:
            where = others[name].function.__module__ if name in others else __name__
            raise ValueError(
                f"{what} {name!r} of {function.__module__} is already the name of a value in {where}"
            )
    old = table.get(name)
    refuse_twice(old and old.function, function, name, what)
