"""Which data a run of the rows is about, and that no two data go by one name."""

from collections.abc import Iterable
from typing import Any

from mpsae.canonical import canonical
from mpsae.rows import Group


def data_title(run: dict[str, Any]) -> str:
    """What the run's data is called in figures and tables."""
    return run.get("data") or f"{run['source'].get('name')}"


def fingerprint(run: dict[str, Any]) -> str:
    """The first 12 digits of the digest of the run's data, "unknown" for rows that record none."""
    recorded = run["source"].get("fingerprint") or run["provenance"].get("data", {}).get("fingerprint")
    return str(recorded or "unknown")[:12]


def world(run: dict[str, Any]) -> dict[str, Any]:
    """The settings of the run's source, in the order of their names."""
    return {
        name: run["source"][name] for name in sorted(run["source"]) if name not in ("name", "fingerprint")
    }


def refuse_mixed_data(groups: Iterable[Group], where: str) -> None:
    """Raise ValueError where data of one title, setting and world seed has two fingerprints.

    Numbers on it would not be of the same rows, side by side in a table or a figure.
    """
    seen: dict[str, str] = {}
    for group in groups:
        title, seed, found = data_title(group.run), group.run["seed"].get("world"), fingerprint(group.run)
        first = seen.setdefault(canonical([title, world(group.run), seed]), found)
        if first != found:
            raise ValueError(
                f"{where}: {title} of world seed {seed} has two fingerprints, {first} and {found};"
                " keep rows on different data in different folders"
            )
