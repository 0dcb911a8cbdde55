"""How long this process has spent compiling, so that a run's time can be told apart from it."""

import jax

EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
}
_spent = [0.0]


def _listen(event: str, duration_secs: float, **_: str | int) -> None:
    if event in EVENTS:
        _spent[0] += duration_secs


jax.monitoring.register_event_duration_secs_listener(_listen)


def compile_seconds() -> float:
    """Seconds of tracing, lowering and compiling (or reading the compile cache) since the start."""
    return _spent[0]
