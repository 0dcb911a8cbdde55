"""What variants, sources and metrics have in common: found by name, loaded from three places."""

import difflib
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Iterable
from types import ModuleType
from typing import Any


def pick(table: dict[str, Any], name: str, what: str) -> Any:
    """`table[name]`, or a ValueError that lists what there is and the nearest spelling."""
    if name in table:
        return table[name]
    raise ValueError(f"unknown {what} {name!r}: known are {', '.join(sorted(table))}{nearest(name, table)}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a refusal: `; did you mean 'this'?`, or nothing where no known name is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def load_all(package: ModuleType, group: str) -> None:
    """Import every module of a package and every entry point of a group: each registers itself."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    for entry in importlib.metadata.entry_points(group=group):
        entry.load()


def presets_of(classes: Iterable[type]) -> dict[str, Any]:
    """The `PRESETS` of the modules that define these classes, by name."""
    modules = sorted({cls.__module__ for cls in classes})
    tables = [getattr(importlib.import_module(name), "PRESETS", {}) for name in modules]
    return {name: preset for table in tables for name, preset in table.items()}


def refuse_twice(old: Any, new: Any, name: str, what: str) -> None:
    """Refuse a second definition under one name, naming both; the same place again is a notebook re-run."""
    places = [(thing.__module__, thing.__qualname__) for thing in (old, new) if thing is not None]
    if len(places) == 2 and places[0] != places[1]:
        (first, one), (second, other) = places
        raise ValueError(
            f"{what} {name!r} is defined twice: in {first} ({one}) and in {second} ({other});"
            " give one of them another name"
        )
