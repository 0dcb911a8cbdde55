"""`mpsae verdict` without a name: a summary, a page only when asked for, and plain refusals."""

from pathlib import Path

import pytest
from made_up_rows import groups

from mpsae import cli, rows
from mpsae.experiment import find

EXPERIMENT = """
from mpsae.claim import Claim
from mpsae.experiment import Experiment

EXPERIMENT = Experiment(
    name="mine", question="Does it?", cost={}, runs=lambda scale: [], figures=lambda results: {},
    claims=(
        Claim("small", "nmse", lambda row: row["at"] == {}, high=%s, required=True, about="%s", setting="here"),
    ),
)
"""
ROWS = Path("results/mine/full/rows.jsonl")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an experiment and its rows."""
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    define("2.0")
    for group in groups("MP", {"nmse": [1.0, 1.0, 1.0]}):
        rows.append(ROWS, group)


def define(high, about="C7"):
    Path("experiments/mine.py").write_text(EXPERIMENT % (high, about))


def verdict(capsys, *words):
    code = cli.main(["verdict", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_it_prints_every_question_and_writes_nothing(here, capsys):
    before = set(Path("results").rglob("*"))
    code, out, err = verdict(capsys)
    assert code == 0 and not err
    lines = out.splitlines()
    assert [line[:2] for line in lines[:16:2]] == [f"C{i}" for i in range(1, 9)]
    assert lines[13] == "    holds in 1 of 1 test, fails in 0, undecided in 0"
    assert lines[1] == "    no evidence yet: no experiment with stored rows tests it"
    assert lines[16] == "from the rows of mine" and "--page" in lines[17]
    assert set(Path("results").rglob("*")) == before


def test_a_missed_number_is_exit_1_for_its_experiment_and_an_answer_for_the_questions(here, capsys):
    define("0.5")
    assert verdict(capsys, "mine")[0] == 1
    code, out, _ = verdict(capsys)
    assert code == 0 and "holds in 0 of 1 test, fails in 1" in out


def test_the_page_goes_beside_the_rows_or_where_it_is_told(here, capsys):
    assert verdict(capsys, "--page")[1].splitlines()[-1] == "page results/VERDICTS.md"
    page = Path("results/VERDICTS.md").read_bytes()
    assert verdict(capsys, "--page", "elsewhere/page.md")[0] == 0
    assert Path("elsewhere/page.md").read_bytes() == page  # no figures, so no link differs
    assert verdict(capsys, "--page")[0] == 0 and Path("results/VERDICTS.md").read_bytes() == page
    assert sorted(path.name for path in Path("results").iterdir()) == ["VERDICTS.md", "mine"]


def test_another_scale_is_judged_on_request(here, capsys):
    assert "no results in results at scale quick" in verdict(capsys, "--scale", "quick")[2]
    assert verdict(capsys, "--scale", "full")[0] == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--page", "mine"], ["--page mine", ".md"]),
        (["mine", "--page"], ["--page", "leave out mine"]),
        (["--results", "none"], ["no results in none", "mpsae run"]),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(words, parts, here, capsys):
    refused(capsys, words, parts)


def test_a_malformed_experiment_and_damaged_rows_are_refused(here, capsys):
    define("2.0", about="C9")
    refused(capsys, [], ["mine.py, line ", "question of claim 'small': 'C9'", "C1, C2"])
    define("2.0")
    assert find("mine").claims[0].about == "C7"
    ROWS.write_bytes(ROWS.read_bytes().replace(b"nmse", b"nmsf"))
    refused(capsys, ["--page"], ["rows.jsonl", "damaged"])
    assert not Path("results/VERDICTS.md").exists()


def refused(capsys, words, parts):
    code, out, err = verdict(capsys, *words)
    assert code == 2 and not out and err.startswith("mpsae verdict: ") and err.count("\n") == 1
    for part in parts:
        assert part in err
