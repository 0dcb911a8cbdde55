"""What the processes do that do not lead: they train with the one that does, and write nothing."""

from pathlib import Path
from typing import Any

from mpsae import hosts, stop
from mpsae.config import Run
from mpsae.keeper import Keeper
from mpsae.layout import Layout
from mpsae.sweep import jobs_of, train


def follow(layout: Layout | None) -> int:
    """Train every stack that the leading process tells of, until it ends; the exit code.

    Raises ValueError where the data here is other than there, and with its reason where the leading one failed.
    """
    sources: dict[Any, Any] = {}
    while (told := hosts.told())["do"] == "fit":
        with hosts.together():
            jobs = jobs_of(map(Run.from_json, told["runs"]), sources)
            if [job.id for job in jobs] != told["ids"]:
                raise ValueError(
                    f"{jobs[0].run.source.name}: holds other data than that of the first process"
                )
        keeper = Keeper(Path(), count=len(jobs), every=float("inf"), found=None, about=dict)
        train(jobs, report=lambda step, steps, log: None, keeper=keeper, layout=layout)
    if told["signal"] is not None:
        raise stop.Stop(told["signal"])
    if told["because"]:
        raise ValueError(f"the first process ended: {told['because']}")
    return 0
