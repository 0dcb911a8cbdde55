"""The page is the same for the same rows, asks nothing of the network and shows any text as text."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_up_rows import groups
from PIL import Image

from mpsae import cli, rows
from mpsae.questions import QUESTIONS

EVIL = "</script><img src=x onerror=alert(1)>"
EXPERIMENT = f"""
from mpsae.claim import Claim, Compare
from mpsae.experiment import Experiment

def of(label):
    return lambda row: row["label"] == label and row["at"] == {{}}

EXPERIMENT = Experiment(
    name="mine", question="Does <b>it</b>?", cost={{}}, runs=lambda scale: [], figures=lambda results: {{}},
    claims=(
        Compare("MP over {EVIL}", "mcc_signed", of("MP"), of("{EVIL}"), "higher", about="C1", setting="a & b"),
        Claim("MP is small", "nmse", of("MP"), high=0.5, about="C7", setting="here"),
    ),
)
"""


def results(root, order=1):
    """Made-up rows of two SAEs, one of an ugly name, and two figures."""
    many = groups(
        "MP",
        {"mcc_signed": [0.9, 0.8, 0.7], "nmse": [1.0, 2.0, 3.0], "fvu": [0.1, 0.2, 0.3], "l0": [2.0] * 3},
    )
    many += groups(EVIL, {"mcc_signed": [0.5] * 3, "ev": [0.9, 0.9, None], "fvu": [0.2] * 3, "l0": [4.0] * 3})
    for group in many[::order]:
        rows.append(root / "mine/full/rows.jsonl", group)
    (root / "mine/full/figures").mkdir()
    for name in ("b_<i>", "a"):
        Image.fromarray(np.full((8, 9, 3), 200, np.uint8)).save(root / f"mine/full/figures/{name}.png")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with an experiment and its rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mpsae.experiment.places", lambda: [Path("experiments")])
    Path("experiments").mkdir()
    Path("experiments/mine.py").write_text(EXPERIMENT)
    results(Path("results"))


def report(capsys, *words):
    code = cli.main(["report", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def written(capsys, *words):
    assert report(capsys, *words)[0] == 0
    return Path("report.html").read_text()


class Elements(HTMLParser):
    """Every element with its attributes, and the text directly within scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self.open, self.inside = [tag], [*self.inside, (tag, dict(attributes), "")]

    def handle_endtag(self, tag):
        self.open = [] if [tag] == self.open else self.open

    def handle_data(self, data):
        if self.open:
            tag, attributes, text = self.inside[-1]
            self.inside[-1] = (tag, attributes, text + data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_the_same_rows_in_any_order_give_the_same_bytes(here, capsys):
    first = written(capsys)
    results(Path("other"), order=-1)
    assert written(capsys, "--results", "other") == first


def test_every_claim_is_there_with_its_verdict_its_interval_and_both_sides(here, capsys):
    text = written(capsys)
    for question in QUESTIONS.values():
        assert f'<article class="claim" id="{question.id}">' in text
    c1 = re.split("<article|</section>", text.split('id="C1">')[1])[0]
    assert "Holds in 1 of 1 test, fails in 0, undecided in 0." in c1
    assert "0.3 [0.2, 0.4]" in c1 and "holds if mcc_signed above 0; FVU 0, undecided; L0 2, 4; 3 seeds" in c1
    c7 = re.split("<article|</section>", text.split('id="C7">')[1])[0]
    assert '<span class="status fails">fails</span>' in c7 and "2 [1, 3]" in c7
    c2 = re.split("<article|</section>", text.split('id="C2">')[1])[0]
    assert "No evidence yet" in c2 and "<table" not in c2
    assert "<b>1 hold, 1 fail, 0 are undecided</b>" in text


def test_an_experiment_has_its_figures_their_command_and_where_the_rows_are_from(here, capsys):
    text = written(capsys)
    assert "6 runs of commit aaaaaaa (2026-01-02)" in text
    assert text.count("<code>mpsae figures mine --scale full</code>") == 2
    images = [image for image in Elements(text).all("img") if "src" in image]
    assert [image["src"][:23] for image in images] == ["data:image/webp;base64,"] * 2
    assert [image["alt"] for image in Elements(text).all("img")] == [
        "Figure a of experiment mine at scale full, which asks: Does <b>it</b>?",
        "Figure b <i> of experiment mine at scale full, which asks: Does <b>it</b>?",
        "",  # the empty frame that an enlarged figure goes into, with its text
    ]


def test_the_rows_are_medians_with_l0_reconstruction_and_recovery_that_stay(here, capsys):
    (data,) = [
        text for _, attributes, text in Elements(written(capsys)).inside if attributes.get("id") == "data"
    ]
    (sheet,) = json.loads(gzip.decompress(base64.b64decode(data)))
    assert [one["name"] for one in sheet["columns"] if one["always"]] == ["l0", "fvu", "mcc_signed"]
    assert sheet["truth"] is True
    other, mp = sheet["lines"]
    assert (mp["sae"], mp["seeds"], mp["values"][:2]) == ("MP", 3, [[2.0, 2.0, 2.0], [0.2, 0.1, 0.3]])
    assert other["sae"] == EVIL and other["values"][2] == [0.9, 0.9, 0.9, 2]


def test_text_from_the_rows_cannot_become_markup(here, capsys):
    text = written(capsys)
    assert "alert(1)" in text and EVIL not in text
    assert not [tag for tag, attributes in Elements(text).found if "onerror" in attributes]
    assert "<b>it</b>" not in text and "b_<i>" not in text


def test_nothing_is_loaded_and_only_our_scripts_and_style_run(here, capsys):
    page = Elements(written(capsys))
    (policy,) = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy and "http" not in policy
    code = [
        (tag, text) for tag, attributes, text in page.inside if attributes.get("type") != "application/gzip"
    ]
    assert [tag for tag, _ in code] == ["style", *["script"] * 5]
    for _, text in code:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    for tag, attributes in page.found:
        assert not attributes.keys() & {"style", "onclick", "srcset"} and tag not in ("link", "iframe")
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))


def test_every_link_has_its_target(here, capsys):
    page = Elements(written(capsys))
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a")} <= set(ids)


def test_two_data_under_one_name_are_refused(here, capsys):
    path = Path("results/mine/full/rows.jsonl")
    before = rows.load(path).groups
    path.unlink()
    for i, group in enumerate(before):
        group.run["seed"]["world"] = 0
        group.run["source"]["fingerprint"] = f"{i // 3}" * 64
        rows.append(path, group)
    code, _, err = report(capsys)
    assert code == 2 and "tree of world seed 0 has two fingerprints, 000000000000 and 111111111111" in err
    assert not Path("report.html").exists()
    assert cli.main(["figures", "mine", "--scale", "full"]) == 2  # nor do they share a figure
    assert "two fingerprints" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--results", "nowhere"), "no results in nowhere: run `mpsae run hierarchy --scale quick` first"),
        (("--out", "page.htm"), "--out page.htm: the name of the page ends in .html"),
        (("--reslts", "x"), "unrecognized arguments: --reslts x; did you mean --results?"),
    ],
)
def test_refusals_are_one_sentence(here, capsys, words, said):
    code, out, err = report(capsys, *words)
    assert code == 2 and not out and said in err and err.count("\n") == 1
    assert not Path("report.html").exists()


def test_it_says_where_the_page_is_and_replaces_the_old_one(here, capsys):
    Path("deep").mkdir()
    Path("deep/page.html").write_text("old")
    assert re.fullmatch(r"page deep/page\.html \(0\.0\d MB\)\n", report(capsys, "--out", "deep/page.html")[1])
    assert [path.name for path in Path("deep").iterdir()] == ["page.html"]
    assert Path("deep/page.html").read_text().startswith("<!doctype html>")
