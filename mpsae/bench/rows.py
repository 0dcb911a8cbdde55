"""Bench results as rows: stored like any other result, the newest of each kept."""

from pathlib import Path
from typing import Any

from mpsae.canonical import digest, short_id
from mpsae.provenance import provenance
from mpsae.rows import Group, append, current, load

SEED = {"data": 0, "init": 0, "dropout": 0, "world": 0}


def store(folder: Path, scale: str, command: str, result: dict[str, Any]) -> None:
    """Append one entrant's result at one size."""
    fields = {"task": result["task"], **result["size"]}
    origin = provenance(command, {"name": "bench problem", "fingerprint": digest(fields)})
    run = {
        "run": short_id(
            [fields, result["label"], origin["started"], result.get("cpu_ms"), result.get("grown_mb")]
        ),
        "experiment": "bench",
        "scale": scale,
        "source": {"name": "bench problem"},
        "variant": result["label"],
        "label": result["label"],
        "fields": fields,
        "width": result["size"]["width"],
        "seed": SEED,
        "provenance": origin,
    }
    values = []
    for metric, value in result.items():
        if metric in ("task", "size", "label", "limits") or value is None:
            continue
        points = value if isinstance(value, list) else [{"value": value}]
        values += [
            {
                "metric": metric if "against" not in point else f"{metric} {point['against']}",
                "value": point["value"],
            }
            for point in points
        ]
    values += [
        {"metric": f"limit_{name}", "value": rate} for name, rate in (result.get("limits") or {}).items()
    ]
    append(current(folder), Group(run=run, values=values, end={"status": "ok"}))


def newest(folder: Path) -> list[dict[str, Any]]:
    """{task, size fields, label, metric: value, ...} of the last result of each entrant, task and size."""
    kept: dict[tuple, dict[str, Any]] = {}
    for group in load(folder).groups:  # in the order they were written
        fields = group.run["fields"]
        flat = {line["metric"]: line["value"] for line in group.values}
        flat |= fields | {"label": group.run["label"], "commit": group.run["provenance"]["commit"]}
        kept[(*fields.values(), group.run["label"])] = flat
    return list(kept.values())
