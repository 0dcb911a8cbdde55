"""What a race says of one entrant: its times, and how many times faster it is than others."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from mpsae.bench.entrant import Entrant
from mpsae.bench.limits import Limits
from mpsae.bench.problem import Size
from mpsae.bench.race import Ratio, Times


def result(
    task: str, size: Size, entrant: Entrant, time: Times, versus: Mapping[str, Ratio], limits: Limits | None
) -> dict[str, Any]:
    """Task, size and label; medians in milliseconds of a step; rows a second of wall time; ratios by name."""
    return {
        "task": task,
        "size": size._asdict(),
        "label": entrant.name,
        "cpu_ms": 1e3 * middle(time.cpu),
        "wall_ms": 1e3 * middle(time.wall),
        "rows_per_s": size.batch / middle(time.wall),
        "compile_s": entrant.compile_seconds,
        "limits": limits and limits._asdict(),
    } | {
        f"ratio_{end}": [{"against": name, "value": getattr(found, end)} for name, found in versus.items()]
        for end in Ratio._fields
    }


def line(task: str, size: Size, entrant: Entrant, time: Times, versus: Mapping[str, Ratio]) -> str:
    """The same in a line for the progress."""
    against = ", ".join(f"{r.median:.2f}x {name}" for name, r in versus.items() if name != entrant.name)
    return f"{task} at {size}: {entrant.name} {1e3 * middle(time.cpu):.2f} ms a step{'; ' + against if against else ''}"


def middle(seconds: Float[np.ndarray, " rounds"]) -> float:
    """The median round; of an even number the later of the two in the middle, so that it was measured."""
    return float(sorted(seconds)[len(seconds) // 2])
