"""The page is the same for the same rows, says what they say, and survives any text."""

import re

import pytest
from made_up_rows import experiment, groups, of

from mpsae import rows
from mpsae.claim import Claim, Compare
from mpsae.evidence import study
from mpsae.questions import QUESTIONS
from mpsae.verdict_page import cell, page, table

CLAIMS = (
    Compare(
        "MP | TopK", "mcc_signed", of("MP"), of("TopK"), "higher", margin=0.02, about="C1", setting="a <b>"
    ),
    Claim("MP is small", "nmse", of("MP"), low=0.0, high=4.0, about="C1", setting="a <b>"),
    Claim("MP is tiny", "nmse", of("MP"), high=0.5, about="C1", setting="tiny"),
    Claim("MP was never here", "ev", of("MP"), low=0.5, about="C1", setting="tiny"),
)


def written(root, order=1, claims=CLAIMS):
    """The page of made-up rows, stored in this order."""
    many = groups("MP", {"mcc_signed": [0.9, 0.8, 0.7], "nmse": [1.0, 2.0, 3.0], "fvu": [0.1, 0.2, 0.3],
                         "l0": [2.0, 2.0, 2.0]})  # fmt: skip
    many += groups("TopK", {"mcc_signed": [0.5, 0.5, 0.5], "fvu": [0.2, 0.2, 0.2], "l0": [3.0, None, 4.0]})
    for group in many[::order]:
        rows.append(root / "mine/full/rows.jsonl", group)
    return page([study(experiment(*claims), root)], root / "VERDICTS.md")


def section(text, name):
    return re.split(r"^## ", text.split(f"\n## {name}\n")[1], flags=re.MULTILINE)[0]


def test_the_same_rows_in_any_order_give_the_same_bytes(tmp_path):
    assert written(tmp_path / "one") == written(tmp_path / "other", order=-1)


def test_a_question_says_how_often_it_holds_and_shows_every_test(tmp_path):
    text = written(tmp_path)
    c1 = section(text, "C1")
    assert f"**{QUESTIONS['C1'].claim}**" in c1
    assert "**Holds in 2 of 3 tests, fails in 1, undecided in 0; 1 test without data.**" in c1
    assert "* Strongest for it: MP \\| TopK (a &lt;b>). `mcc_signed` 0.3 [0.2, 0.4], 3 seeds." in c1
    assert "* Strongest against it: MP is tiny (tiny). `nmse` 2 [1, 3], 3 seeds." in c1
    rows_shown = [line for line in c1.splitlines() if line.startswith("|")][2:]
    assert rows_shown == [
        "| holds | MP \\| TopK | a &lt;b> | 0.3 [0.2, 0.4] | mcc_signed above 0.02 | 0, undecided | 2, 3.5"
        " | 3 | mine, full | tree |",
        "| holds | MP is small | a &lt;b> | 2 [1, 3] | nmse 0 to 4 | 0.2 | 2 | 3 | mine, full | tree |",
        "| fails | MP is tiny | tiny | 2 [1, 3] | nmse at most 0.5 | 0.2 | 2 | 3 | mine, full | tree |",
        "| no data | MP was never here | tiny | - | ev at least 0.5 | - | - | 0 | mine | - |",
    ]
    assert f"| [C1](#c1) | {QUESTIONS['C1'].claim} | 2 | 1 | 0 | 1 |" in text


def test_a_question_without_evidence_says_so(tmp_path):
    c2 = section(written(tmp_path), "C2")
    assert "**No evidence yet: no experiment with stored rows tests it.**" in c2
    assert "|" not in c2 and "Strongest" not in c2


def test_what_says_nothing_on_reconstruction_is_counted(tmp_path):
    assert "Set aside: 1 test against a known truth" in section(written(tmp_path), "C3")


def test_a_long_table_is_folded_below_one_by_setting(tmp_path):
    many = [
        Claim(f"test {i}", "nmse", of("MP"), high=1.5 + i, about="C1", setting=f"half {i % 2}")
        for i in range(8)
    ]
    c1 = section(written(tmp_path, claims=many), "C1")
    assert "| half 0 | mine | 3 | 0 | 1 | 0 |\n| half 1 | mine | 3 | 0 | 1 | 0 |" in c1
    assert "<details><summary>All 8 tests</summary>\n\n|" in c1 and "|\n\n</details>" in c1
    assert "<details>" not in section(written(tmp_path / "short", claims=many[:6]), "C1")


def test_figures_are_linked_from_the_page_with_command_and_origin(tmp_path):
    figures = tmp_path / "mine/full/figures"
    figures.mkdir(parents=True)
    for name in ("b one.png", "a.png", "notes.txt"):
        (figures / name).write_bytes(b"")
    text = section(written(tmp_path), "Experiments")
    assert "### mine" in text and "Does it?" in text
    assert "* full: `mpsae run mine --scale full`; 6 runs of commit aaaaaaa (2026-01-02)." in text
    assert "Figures: [a](mine/full/figures/a.png), [b one](mine/full/figures/b%20one.png)." in text


def test_the_metrics_named_are_explained(tmp_path):
    metrics = section(written(tmp_path), "Metrics")
    named = re.findall(r"^\| `(\w+)` \|", metrics, re.MULTILINE)
    assert named == ["ev", "fvu", "l0", "mcc_signed", "nmse"]
    assert "see its experiment" not in metrics


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a|b", "a\\|b"), ("a\\|b", "a\\\\\\|b"), ("a\n b", "a b"), ("<details>", "&lt;details>")],
)
def test_a_cell_cannot_be_left(text, shown):
    assert cell(text) == shown
    assert table(["x"], [[text]]) == f"| x |\n| --- |\n| {shown} |\n"
