"""Memory of a score is that of the accumulators and one chunk, whatever the number of rows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 2**20
CACHED = {  # as conftest.py has it for this process
    "JAX_COMPILATION_CACHE_DIR": os.environ["MPSAE_CACHE"],
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory from /proc")
def test_200k_rows_of_16k_atoms_take_no_more_than_50k():
    """The codes of one block alone, made dense, would be 3.3 GB, a table of pairs of latents 1 GB."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), str(here), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, str(here / "big_score.py")],
        env=os.environ | {"PYTHONPATH": path} | CACHED,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    before, _, few, many = json.loads(ran.stdout)
    assert many - before < 1024 * MIB, ran.stdout
    assert many - few < 256 * MIB, ran.stdout  # `bounds.WORK`: two chunks may overlap by chance
