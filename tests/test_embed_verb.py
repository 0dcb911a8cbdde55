"""`mpsae embed` refuses in one line before it imports anything heavy, and helps without it."""

import subprocess
import sys
import time

import pytest

from mpsae import cli

RUN = ("--model", "ViT-B-32", "--out", "out")


def test_help_is_quick_and_imports_neither_torch_nor_jax():
    code = (
        "import sys, mpsae.cli as cli\n"
        "try: cli.main(['embed', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'jax', 'torch', 'numpy', 'PIL'} & set(sys.modules)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 2.0
    assert "--pretrained TAG downloads those weights" in done.stdout


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (RUN, "nothing to embed: give --images DIR, --captions FILE or both"),
        ((*RUN, "--captions", "c.txt", "--layer", "3"), "--layer: a block has rows of images alone"),
        ((*RUN, "--captions", "c.txt", "--batch", "0"), "--batch 0: must be at least 1"),
        (
            (*RUN, "--captions", "c.txt", "--shard", "70000"),
            "--shard 70000: must be at least 1 and at most 65536",
        ),
        ((*RUN, "--captions", "c.txt"), "c.txt: this file is missing"),
        ((*RUN, "--images", "none"), "none: must be a folder of images"),
        ((*RUN, "--image", "none", "--batchs", "3"), "did you mean --batch?"),
        (("--model", "x", "--out", "full", "--captions", "c.txt"), "full: holds something else (mine.txt)"),
    ],
)
def test_what_cannot_work_is_one_line(words, part, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    assert cli.main(["embed", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and part in err
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
