"""How a variant is written: fields, docstring, source, and its way through JSON."""

import ast
import dataclasses
import inspect
import json
import textwrap

from mpsae.conformance.case import DIM, WIDTH, Case, checked, demand
from mpsae.fields import PLAIN, check
from mpsae.sae import SAE

BATCHING = ("jit", "vmap", "pmap", "shard_map")
OPTIONS = ("name", "couples_batch", "orders_atoms", "idle")


@checked
def fields(case: Case) -> None:
    """Hyperparameters are declared fields with plain values; class options have the right type."""
    sae, cls = case.sae, type(case.sae)
    for base in _written(cls):
        for name, value in vars(base).items():
            hidden = (
                name.startswith("_") or name in OPTIONS or name in base.__dict__.get("__annotations__", {})
            )
            demand(
                hidden or not isinstance(value, (*PLAIN, list, dict)),
                f"{base.__name__}.{name} = {value!r} has no type annotation, so it is not a field:"
                f" write {name}: {type(value).__name__} = leaf(default=...) or static(default=...)",
            )
    for field in dataclasses.fields(sae):
        value = getattr(sae, field.name)
        check(cls.__name__, field, value)
        demand(
            isinstance(value, PLAIN),
            f"{cls.__name__}.{field.name} is a {type(value).__name__}: hyperparameters are plain numbers,"
            " text or tuples; arrays belong in params",
        )
    for name in ("couples_batch", "orders_atoms"):
        demand(
            isinstance(getattr(cls, name), bool),
            f"{cls.__name__}.{name} must be True or False, not {getattr(cls, name)!r}",
        )
    demand(
        isinstance(cls.idle, tuple),
        f"{cls.__name__}.idle must be a tuple of names of params, not {cls.idle!r}",
    )


@checked
def source(case: Case) -> None:
    """The class has a docstring and leaves jit, vmap, pmap and shard_map to the trainer."""
    cls = type(case.sae)
    doc = vars(cls).get("__doc__") or ""
    # A dataclass without a docstring gets its own signature as one.
    demand(
        doc.strip() and not doc.startswith(f"{cls.__name__}("),
        f"{cls.__name__} has no docstring: say in its first line what its code is, and where it comes from",
    )
    for base in _written(cls):
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError, SyntaxError):
            continue  # typed in at a prompt
        for node in ast.walk(tree):
            used = getattr(node, "attr", getattr(node, "id", None))
            demand(
                used not in BATCHING,
                f"{base.__name__} uses {used}: training compiles and batches, a variant is plain functions",
            )


@checked
def round_trip(case: Case) -> None:
    """Constructor -> dict -> JSON -> constructor gives an equal SAE."""
    sae, cls = case.sae, type(case.sae)
    values = {field.name: getattr(sae, field.name) for field in dataclasses.fields(sae)}
    try:
        text = json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        demand(False, f"the fields of {cls.__name__} cannot be written as JSON: {error}")
    again = cls(**{name: _tuples(value) for name, value in json.loads(text).items()})
    for name, value in values.items():
        demand(
            getattr(again, name) == value,
            f"{cls.__name__}.{name} = {value!r} comes back from JSON as {getattr(again, name)!r}:"
            " keep what is passed to the constructor unchanged",
        )
    sae.validate(DIM, WIDTH)


def _written(cls: type[SAE]) -> list[type]:
    return [base for base in cls.__mro__ if issubclass(base, SAE) and base is not SAE]


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
