"""Where the rows of one table come from, as short facts."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from mpsae.evidence import origin
from mpsae.rows import Table
from mpsae.run_data import data_title, fingerprint

FEW = 3  # fingerprints that are spelt out


def facts(table: Table) -> dict[str, str]:
    """Runs and commits, command, packages, device and data of a table; several of a kind are listed."""
    runs = [group.run for group in table.groups]
    said = [run["provenance"] for run in runs]
    data: dict[str, set[str]] = defaultdict(set)
    for run in runs:
        data[data_title(run)].add(fingerprint(run))
    return {
        "rows": origin(table),
        "made by": _listed(one.get("command") for one in said),
        "with": _listed(_versions(one) for one in said),
        "on": _listed(_device(one) for one in said),
        "data": "; ".join(f"{title} ({_digests(data[title])})" for title in sorted(data)),
    }


def _listed(words: Iterable[str | None]) -> str:
    return "; ".join(sorted({word or "unknown" for word in words}))


def _versions(said: dict[str, Any]) -> str:
    packages = {"mpsae": said.get("mpsae"), "python": said.get("python"), **said.get("packages", {})}
    return ", ".join(f"{name} {version}" for name, version in packages.items() if version)


def _device(said: dict[str, Any]) -> str:
    device = said.get("device", {})
    what = [f"{device['count']} x {device['kind']}"] if device.keys() >= {"count", "kind"} else []
    return ", ".join([*what, *([said["precision"]] if said.get("precision") else [])])


def _digests(found: set[str]) -> str:
    if len(found) > FEW:
        return f"{len(found)} worlds, each with a fingerprint of its own"
    return f"fingerprint{'s' * (len(found) > 1)} {', '.join(sorted(found))}"
