"""`mpsae list`: what there is to run, to train, to train on and to measure."""

import dataclasses
import inspect
import sys

from mpsae.verbs.arguments import Arguments

Groups = dict[str, dict[str, str]]  # heading, or "" for none -> name -> text


def main(argv: list[str]) -> int:
    """Print variants, presets, sources, worlds, metrics and experiments, a line each."""
    parser = Arguments(prog="mpsae list", description="Variants, sources, worlds, metrics and experiments.")
    parser.add_argument("kind", nargs="?", choices=tuple(TABLES), help="only this kind")
    chosen = parser.parse_args(argv)
    for kind in TABLES if chosen.kind is None else [chosen.kind]:
        groups = TABLES[kind]()
        names = [name for table in groups.values() for name in table]
        width = max(map(len, names), default=0)
        print(f"{kind} ({len(names)})")
        for heading, table in sorted(groups.items()):
            print(f"\n  {heading}\n" if heading else "", end="")
            print("\n".join(f"  {name.ljust(width)}  {text}" for name, text in sorted(table.items())))
    return 0


def _variants() -> Groups:
    from mpsae.sae import known

    return {"": {name: _first_line(cls) for name, cls in known().items()}}


def _presets() -> Groups:
    from mpsae.sae import presets

    return {"": {name: _call(sae) for name, sae in presets().items()}}


def _sources() -> Groups:
    from mpsae.source import known_sources

    return {"": {name: _first_line(cls) for name, cls in known_sources().items()}}


def _worlds() -> Groups:
    from mpsae.source import worlds

    return {"": {name: _call(source) for name, source in worlds().items()}}


def _metrics() -> Groups:
    from mpsae.metrics.base import known_metrics

    groups: Groups = {}
    for name, formula in known_metrics().items():
        module = sys.modules[formula.function.__module__]
        heading = f"{module.__name__.rpartition('.')[2]}: {_first_line(module)}"
        groups.setdefault(heading, {})[name] = _first_line(formula.function)
    return groups


def _experiments() -> Groups:
    from mpsae.experiment import find, known

    return {"": {name: find(name).question for name in known()}}


def _call(config) -> str:
    """What makes this config: its id and the fields that are not at their defaults."""
    given = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)
             if getattr(config, field.name) != field.default}  # fmt: skip
    return f"{config.name}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _first_line(thing) -> str:
    return (inspect.getdoc(thing) or "").split("\n", 1)[0]


TABLES = {
    "variants": _variants,
    "presets": _presets,
    "sources": _sources,
    "worlds": _worlds,
    "metrics": _metrics,
    "experiments": _experiments,
}
