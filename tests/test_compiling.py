"""Time spent compiling is counted once, and nothing else is."""

import time

import jax
import jax.numpy as jnp
import pytest

from mpsae import compiling
from mpsae.compiling import EVENTS, compile_seconds


def test_a_first_call_counts_and_a_second_does_not():
    function, x = jax.jit(lambda x: jnp.sin(x).sum()), jnp.ones(3)
    before, began = compile_seconds(), time.monotonic()
    function(x).block_until_ready()
    after, spent = compile_seconds(), time.monotonic() - began
    assert 0 < after - before <= spent
    function(x).block_until_ready()
    assert compile_seconds() == after


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_this_jax_reports_every_event_by_its_name(event, monkeypatch):
    monkeypatch.setattr(compiling, "EVENTS", {event})
    before = compile_seconds()
    jax.jit(lambda x: x + 1)(jnp.ones(3))
    assert compile_seconds() > before


def test_other_events_are_not_counted():
    before = compile_seconds()
    jax.monitoring.record_event_duration_secs("/jax/something/else", 5.0)
    assert compile_seconds() == before
    jax.monitoring.record_event_duration_secs(next(iter(EVENTS)), 5.0)
    assert compile_seconds() == pytest.approx(before + 5.0)
