"""Peak memory of a step: a table that is made is seen, what fails says why."""

import pytest

from mpsae.bench import memory
from mpsae.bench.problem import Size

WIDE = Size(batch=64, dim=32, width=4096, k=2)


def test_the_gram_matrix_is_seen_and_only_where_one_is_made():
    table = 4e-6 * WIDE.width**2  # 67 MB
    assert table < memory.growth("mp gram", WIDE) < 2 * table
    assert 0 < memory.growth("mp residual", WIDE) < table / 2


def test_a_failed_process_says_why():
    with pytest.raises(ValueError, match="memory of mp nothing at 8 x 4, 16 atoms, k 2: .*KeyError"):
        memory.growth("mp nothing", Size(8, 4, 16, 2))


def test_where_the_peak_cannot_be_reset_nothing_is_started(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(memory.subprocess, "run", None)
    with pytest.raises(ValueError, match="clear_refs is missing: peak memory is measured on Linux only"):
        memory.growth("mp gram", WIDE)


def test_fields_of_the_process_are_read_in_mb(monkeypatch, tmp_path):
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  254000 kB\nVmRSS:\t  1500 kB\n")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    assert (memory._status("VmHWM"), memory._status("VmRSS")) == (254.0, 1.5)
