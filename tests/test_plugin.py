"""A user's file is loaded as its own module, checked, and every way it can be wrong is one sentence."""

import os
import subprocess
import sys

import pytest

from mpsae import cli
from mpsae.plugin import load
from mpsae.sae import REGISTRY, find, known
from mpsae.testing import check_sae
from mpsae.verbs import check

GOOD = '''
from __future__ import annotations
import jax
from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.sae import leaf
class {cls}(OneShot, name="{id}"):
    """z = sharpness · ReLU(π)."""
    sharpness: float = leaf(default=4.0, low=0.1)
    def encode(self, params, x):
        positive = jax.nn.relu(self.preactivation(params, x))
        values = positive * self.sharpness
        return Code(values=values, width=values.shape[-1])
'''.lstrip()

HEAD = "from mpsae.sae import SAE, static\nfrom mpsae.saes.topk import TopK\n"

# name: (file name, text, parts of the sentence)
BAD = {
    "not python": ("mine.txt", "x = 1", [".py"]),
    "syntax": ("mine.py", "x = 1\ndef f(:\n", ["mine.py, line 2: syntax error", "invalid syntax"]),
    "null byte": ("mine.py", "x = 1\0", ["mine.py", "null bytes"]),
    "missing import": ("mine.py", "\nimport no_such_thing\n", ["line 2", "import failed", "no_such_thing"]),
    "exception": ("mine.py", "x = 0\n\n1 / x\n", ["line 3", "ZeroDivisionError", "division by zero"]),
    "value error of its own": ("mine.py", "int('a')\n", ["line 1", "ValueError", "invalid literal"]),
    "exit": ("mine.py", "import sys\nsys.exit(3)\n", ["line 2", "ends the program"]),
    "empty": ("mine.py", "x = 1\n", ["defines no variant", "mpsae.sae.SAE"]),
    "only imports one": ("mine.py", HEAD, ["defines no variant"]),
    "only an abstract one": ("mine.py", HEAD + "class A(SAE, abstract=True): ...\n", ["defines no variant"]),
    "static made a leaf": (
        "mine.py",
        HEAD + "class Mine(TopK, name='test_plugin_k'):\n    k: int = 7\n",
        ["line 3: Mine.k: TopK declares it static", "static(default=7)"],
    ),
    "id taken": (
        "mine.py",
        HEAD + "class Mine(SAE, name='topk'): ...\n",
        ["'topk' is defined twice", "mpsae.saes.topk", "mine_"],
    ),
    "positional default order": (
        "mine.py",
        HEAD + "class Mine(SAE, name='test_plugin_slots', slots=True): ...\n",
        ["line 3", "TypeError"],
    ),
}


@pytest.fixture(autouse=True)
def unchanged_registry():
    """Whatever a test loads is forgotten after it."""
    known()
    before, modules = dict(REGISTRY), set(sys.modules)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)
    for name in [name for name in set(sys.modules) - modules if name.startswith(("mine_", "jax_", "other_"))]:
        del sys.modules[name]


def write(folder, name="mine.py", cls="Mine", id="test_plugin_mine"):
    path = folder / name
    path.write_text(GOOD.format(cls=cls, id=id))
    return path


def test_twelve_lines_are_listed_checked_and_found(tmp_path):
    path = write(tmp_path)
    assert len(path.read_text().splitlines()) == 12
    (cls,) = load(path)
    assert cls.name == "test_plugin_mine" and find("test_plugin_mine") is cls
    assert cls.__module__ in sys.modules and cls.__module__.startswith("mine_")
    failed = [finding for finding in check_sae(cls) if not finding.ok]
    assert not failed
    assert not list(tmp_path.glob("__pycache__"))


def test_loading_again_replaces_what_the_file_defined(tmp_path):
    path = write(tmp_path)
    (first,) = load(path)
    (second,) = load(str(path))
    assert first is not second and REGISTRY["test_plugin_mine"] is second
    path.write_text(path.read_text().replace("test_plugin_mine", "test_plugin_ours"))
    (third,) = load(path)
    assert third.name == "test_plugin_ours" and "test_plugin_mine" not in REGISTRY


def test_a_name_shadows_nothing_and_two_files_may_share_it(tmp_path):
    import jax

    (tmp_path / "sub").mkdir()
    load(write(tmp_path, "jax.py", id="test_plugin_a"))
    load(write(tmp_path / "sub", "jax.py", id="test_plugin_b"))
    assert sys.modules["jax"] is jax and {"test_plugin_a", "test_plugin_b"} <= REGISTRY.keys()


def test_two_files_with_one_id_are_both_named(tmp_path):
    load(write(tmp_path, "mine.py"))
    with pytest.raises(ValueError, match=r"defined twice: in mine_\w+ \(Mine\) and in other_\w+ \(Other\)"):
        load(write(tmp_path, "other.py", cls="Other"))


@pytest.mark.parametrize("case", BAD)
def test_errors_are_one_sentence_and_leave_no_trace(tmp_path, case):
    name, text, parts = BAD[case]
    path = tmp_path / name
    path.write_text(text)
    before, modules = dict(REGISTRY), set(sys.modules)
    with pytest.raises(ValueError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    for part in parts:
        assert part in message, f"{part!r} not in {message!r}"
    assert before == REGISTRY
    assert not [name for name in set(sys.modules) - modules if name.startswith("mine_")]


def test_a_file_that_breaks_keeps_what_it_defined_before(tmp_path):
    path = write(tmp_path)
    (cls,) = load(path)
    path.write_text(path.read_text() + "\nraise RuntimeError('late')\n")
    with pytest.raises(ValueError, match="line 14: RuntimeError at import, late"):
        load(path)
    assert REGISTRY["test_plugin_mine"] is cls and sys.modules[cls.__module__].Mine is cls


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="none.py: no such file"):
        load(tmp_path / "none.py")


def test_verb_prints_a_line_per_check(tmp_path, capsys):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("* self.sharpness", "+ x.mean()"))
    assert check.main([str(path), "--quick"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert "ok   init" in out
    assert any(line.startswith("FAIL rows: ") and "over the batch" in line for line in out)
    assert out[-1].startswith("test_plugin_mine: ") and " checks passed in " in out[-1]


def test_verb_passes_a_good_file(tmp_path, capsys):
    assert check.main([str(write(tmp_path)), "--quick"]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_verb_refuses_bad_input_with_one_line(tmp_path, capsys):
    for target, part in ((str(tmp_path / "none.py"), "no such file"), ("rellu", "did you mean 'relu'?")):
        assert cli.main(["check", target]) == 2
        error = capsys.readouterr().err
        assert error.startswith("mpsae check: ") and error.count("\n") == 1 and part in error


def test_verb_parses_without_jax():
    code = (
        "import sys; from mpsae import cli; assert cli.main(['check', '--no-such']) == 2;"
        "assert 'jax' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_installed_package_adds_variants_sources_and_metrics_by_entry_points(tmp_path):
    (tmp_path / "stub_saes.py").write_text(
        "import numpy as np\n"
        "from mpsae import SAE, Code\n"
        "from mpsae.metrics.base import metric\n"
        "class Stub(SAE, name='stub'):\n"
        "    '''All of it.'''\n"
        "    def encode(self, params, x):\n"
        "        return Code(values=x @ params['atoms'].T, width=len(params['atoms']))\n"
        "@metric\n"
        "def stub_rows(n):\n"
        "    'Rows scored; a count.'\n"
        "    return n\n"
    )
    info = tmp_path / "stub_saes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stub-saes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mpsae.saes]\nstub = stub_saes\n[mpsae.metrics]\nstub = stub_saes\n"
    )
    code = (
        "from mpsae.sae import find; from mpsae.metrics.base import known_metrics;"
        "assert find('stub').__module__ == 'stub_saes'; assert 'stub_rows' in known_metrics()"
    )
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
