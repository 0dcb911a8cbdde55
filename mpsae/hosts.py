"""Processes, on one machine or several, that train one SAE together: who they are and what they tell each other.

The first one leads: it decides, reads checkpoints and writes every file; the others train with it. What they tell
each other is small and goes through the service that JAX starts for them, so that nobody waits in a collective,
which may end by its own time limit.
"""

import contextlib
import itertools
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import jax

from mpsae import stop
from mpsae.layout import Layout

PATIENCE = 1000  # milliseconds of waiting between two looks at signals
LEAVING = 20  # seconds to wait for the others at the end
_turns, _told, _heard = itertools.count(), itertools.count(), itertools.count()


@contextlib.contextmanager
def joined(place: str, number: str, layout: Layout | None) -> Iterator[bool]:
    """Within, this process is one of several; whether it leads, as one that is alone does.

    `place` is HOST:PORT of the first process and `number` I/N, as 1/2, for this one; or "auto" and "" where Slurm
    or Open MPI started it. Both "" is a process alone. How the leading process ends is told to the others. Raises
    ValueError for a place or a number that is none, and for a layout that leaves a device out.
    """
    if not place and not number:
        yield True
        return
    _start(place, number, layout)
    leads = jax.process_index() == 0
    try:
        yield leads
    except jax.errors.JaxRuntimeError:
        raise  # without a farewell: another process may be gone, and to wait for it would abort this one
    except BaseException as error:
        asked = error.number if isinstance(error, stop.Stop) else None
        _part(leads, asked, str(error) or type(error).__name__)
        raise
    else:
        _part(leads, None, "")


def _part(leads: bool, signal: int | None, because: str) -> None:
    if leads:
        tell({"do": "end", "signal": signal, "because": because})
    jax.distributed.shutdown()


def _start(place: str, number: str, layout: Layout | None) -> None:
    if layout is None:
        raise ValueError("--hosts: needs --mesh, which says what lies on which of their devices")
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from `stop`
    if place == "auto":
        if number:
            raise ValueError(f"--host {number}: --hosts auto finds out itself which one this is")
        try:
            jax.distributed.initialize(shutdown_timeout_seconds=LEAVING)
        except ValueError as error:
            raise ValueError(
                f"--hosts auto: no Slurm and no Open MPI started this process ({error})"
            ) from None
    else:
        first, count = _place(place, number)
        print(
            f"waiting for {count} processes at {place}, 5 minutes at most; Ctrl-C twice ends it",
            file=sys.stderr,
        )
        jax.distributed.initialize(
            place, count, first - 1, cluster_detection_method="deactivate", shutdown_timeout_seconds=LEAVING
        )
    layout.refuse_idle(jax.device_count(), jax.process_count())


def _place(place: str, number: str) -> tuple[int, int]:
    if not re.fullmatch(r"\S+:\d+", place) or not 0 < int(place.rpartition(":")[2]) < 65536:
        raise ValueError(f"--hosts {place!r}: must be HOST:PORT of the first process, as node1:1234, or auto")
    first, _, count = number.partition("/")
    if not (first.isdecimal() and count.isdecimal() and 1 <= int(first) <= int(count)):
        raise ValueError(f"--host {number!r}: must be I/N with 1 <= I <= N, as 1/2")
    return int(first), int(count)


def exchange(value: Any) -> list[Any]:
    """What every process gives, JSON, in their order; all of them make this call at the same place."""
    if jax.process_count() == 1:
        return [value]
    turn = next(_turns)
    _client().key_value_set(f"mpsae/{turn}/{jax.process_index()}", json.dumps(value))
    return [_get(f"mpsae/{turn}/{process}") for process in range(jax.process_count())]


@contextlib.contextmanager
def together() -> Iterator[None]:
    """A ValueError or OSError within, in any process, is a ValueError in all of them."""
    if jax.process_count() == 1:
        yield
        return
    mine = None
    try:
        yield
    except (ValueError, OSError) as error:
        mine = str(error)
    for process, said in enumerate(exchange(mine), 1):
        if said is not None:
            raise ValueError(said if mine == said else f"process {process} of {jax.process_count()}: {said}")


def tell(message: dict[str, Any]) -> None:
    """The leading process tells the others what comes next; it does not wait for them."""
    if jax.process_count() > 1:
        _client().key_value_set(f"mpsae/told/{next(_told)}", json.dumps(message))


def told() -> dict[str, Any]:
    """What the leading process tells next; it may be at its scores for hours."""
    return _get(f"mpsae/told/{next(_heard)}")


def _get(key: str) -> Any:
    while True:
        try:
            return json.loads(_client().blocking_key_value_get(key, PATIENCE))
        except jax.errors.JaxRuntimeError as error:
            if "DEADLINE_EXCEEDED" not in str(error):
                raise


def _client() -> Any:
    from jax._src import distributed  # the only way to it, also for orbax

    return distributed.global_state.client
