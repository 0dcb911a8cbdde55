"""What a command loads before it works: nothing that takes long and is not needed."""

import subprocess
import sys
import time


def test_help_is_quick_and_imports_nothing_heavy():
    began = time.monotonic()
    shown = subprocess.run([sys.executable, "-m", "mpsae.cli", "--help"], capture_output=True, text=True)
    assert shown.stdout.startswith("usage: mpsae VERB")
    assert time.monotonic() - began < 2.0
    code = (
        "import sys, mpsae.cli as cli; cli.main(['--help']); cli.main(['nonsense'])\n"
        "assert not {'jax', 'flax', 'numpy', 'matplotlib', 'tyro'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_of_train_does_not_import_the_slow_half_of_scipy():
    """`scipy.stats` alone took a third of its time."""
    code = (
        "import sys, mpsae.cli as cli\n"
        "try: cli.main(['train', '--help'])\n"
        "finally: assert 'tyro' in sys.modules and 'scipy.stats' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
