"""The rows of one experiment at one scale as a table: a line per SAE and setting, medians over seeds."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from mpsae.canonical import canonical
from mpsae.intervals import Interval, interval
from mpsae.report.columns import Column, column, ordered
from mpsae.rows import Group, Table
from mpsae.run_data import data_title, refuse_mixed_data, world

Setting = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Kind:
    """What the runs of one line share: SAE, data, and the settings of both.

    In a `Line` the settings are those that tell it from others: in `world` what varies
    between the data of one title, in `own` what varies between SAEs of one label on them.
    """

    sae: str
    data: str
    world: Setting
    own: Setting


@dataclasses.dataclass(frozen=True)
class Line:
    """Median and interval over `seeds` runs for every column of the sheet, None where all lack it."""

    kind: Kind
    seeds: int
    values: tuple[Interval | None, ...]


@dataclasses.dataclass(frozen=True)
class Sheet:
    """All lines of one experiment at one scale, by data, setting and SAE."""

    experiment: str
    scale: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


def sheet(table: Table, experiment: str, scale: str) -> Sheet:
    """One line per SAE and setting: medians over seeds with their 95 % bootstrap intervals.

    The order of the rows does not matter. Raises ValueError for data of two
    fingerprints (see `refuse_mixed_data`) and for two runs of one seed in a line.
    """
    where = f"{experiment} at scale {scale}"
    refuse_mixed_data(table.groups, where)
    kinds: dict[str, Kind] = {}
    runs: dict[str, list[Group]] = defaultdict(list)
    for group in sorted(
        table.groups, key=lambda group: (sorted(group.run["seed"].items()), group.run["run"])
    ):
        kind = _kind(group.run)
        key = canonical(dataclasses.asdict(kind))
        if runs[key] and runs[key][-1].run["seed"] == group.run["seed"]:
            twice = f"{runs[key][-1].run['run']} and {group.run['run']}"
            raise ValueError(f"{where}: {twice} are both {kind.sae} of seed {group.run['seed']}; keep one")
        kinds[key] = kind
        runs[key].append(group)
    values = {key: _by_column(of) for key, of in runs.items()}
    columns = tuple(ordered({one for numbers in values.values() for one in numbers}))
    told = _telling(list(kinds.values()))
    lines = [
        Line(
            kind=told(kind),
            seeds=len(runs[key]),
            values=tuple(interval(values[key][one]) if one in values[key] else None for one in columns),
        )
        for key, kind in kinds.items()
    ]
    return Sheet(experiment, scale, columns, tuple(sorted(lines, key=_place)))


def text(setting: Setting) -> str:
    """A setting in words: "correlation 0.3, k 4"."""
    return ", ".join(f"{name} {shown(value)}" for name, value in setting.items())


def shown(value: Any) -> str:
    """A setting's value in words."""
    return f"{value:g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else f"{value}"


def _kind(run: dict[str, Any]) -> Kind:
    own = {"width": run.get("width"), "numerics": run.get("numerics")}
    own |= dict(run.get("optim") or {}) | run["fields"]  # a field of the SAE goes before one of its training
    return Kind(
        sae=run.get("label") or run["variant"],
        data=data_title(run),
        world=world(run),
        own=dict(sorted(own.items())),
    )


def _by_column(runs: list[Group]) -> dict[Column, list[float | None]]:
    """The values of every column that has one, a place per run."""
    found: dict[Column, list[float | None]] = {}
    for place, group in enumerate(runs):
        for line in group.values:
            one = None if "array" in line else column(line["metric"], line["at"])
            if one is not None and line["value"] is not None:
                found.setdefault(one, [None] * len(runs))[place] = line["value"]
    return found


def _telling(kinds: list[Kind]) -> Callable[[Kind], Kind]:
    """A function from a kind to the same with only the settings that tell it from others."""
    worlds = _varying([(kind.data, kind.world) for kind in kinds])
    owns = _varying([((kind.data, kind.sae), kind.own) for kind in kinds])

    def told(kind: Kind) -> Kind:
        world = {name: value for name, value in kind.world.items() if name in worlds[kind.data]}
        own = {name: value for name, value in kind.own.items() if name in owns[kind.data, kind.sae]}
        return dataclasses.replace(kind, world=world, own=own)

    return told


def _varying(settings: list[tuple[Any, Setting]]) -> dict[Any, set[str]]:
    """Per key the names that do not have one value in all of its settings; a name may be absent from some."""
    of_key: dict[Any, list[Setting]] = defaultdict(list)
    for key, setting in settings:
        of_key[key].append(setting)
    return {
        key: {name for one in many for name in one if len({canonical(other.get(name)) for other in many}) > 1}
        for key, many in of_key.items()
    }


def _place(line: Line) -> tuple:
    """By data, its settings, SAE and its settings; numbers by size and before words."""
    kind = line.kind
    values = [*kind.world.values(), kind.sae.lower(), kind.sae, *kind.own.values()]
    return kind.data, [(0, one, "") if isinstance(one, (int, float)) else (1, 0, f"{one}") for one in values]
