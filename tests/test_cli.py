"""The command line: what works prints what it did, what cannot work is one line and exit code 2."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli_calls import SOURCE, TINY, TOPK, config, numbers, refuse, saved_in

from mpsae import cli
from mpsae.config import Run, Seed
from mpsae.metrics.base import known_metrics
from mpsae.rows import load
from mpsae.sae import REGISTRY, known, presets
from mpsae.source import known_sources, worlds
from mpsae.sources.dial import Dial
from mpsae.sources.paired import Paired
from mpsae.sources.ssb import Ssb

pytestmark = pytest.mark.usefixtures("cli_folder")

PLUGIN = '''
from __future__ import annotations
import jax
from mpsae.code import Code
from mpsae.oneshot import OneShot
from mpsae.sae import leaf, static
class Mine(OneShot, name="test_cli_mine"):
    """A variant of somebody's own."""
    depth: int = static(low=1)
    sharpness: float = leaf(default=4.0, low=0.1)
    def encode(self, params, x):
        values = jax.nn.relu(self.preactivation(params, x)) * self.sharpness
        return Code(values=values, width=values.shape[-1])
'''

EXPERIMENT = """
from _mine_helper import SOURCE
from mpsae.claim import Claim
from mpsae.config import Run
from mpsae.experiment import Experiment
from mpsae.optim import Optim
from mpsae.saes.topk import TopK
def runs(scale):
    return [Run(source=SOURCE, sae=TopK(k=2), width=20, optim=Optim(steps=20, batch=32))]
def figures(results):
    from matplotlib.figure import Figure
    figure = Figure()
    figure.subplots().plot([row["value"] for row in results.rows if row["metric"] == "fvu"], "o")
    return {"only": figure}
where = lambda row: row["at"] == {}
EXPERIMENT = Experiment(
    name="mine", question="Does it run?", cost=dict.fromkeys(("smoke", "quick", "full"), "seconds"),
    runs=runs, figures=figures, notes=lambda scale: ["a note of its own"],
    claims=(
        Claim("FVU is small", "fvu", where, high=float("%s"), required=True, scales=("smoke",)),
        Claim("only at full scale", "fvu", where, high=0.0, required=True, scales=("full",)),
    ),
)
"""


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_a_help_page(verb, mpsae):
    code, out, err = mpsae(verb, "--help")
    assert code == 0 and out.startswith("usage: mpsae") and verb in out and not err


def test_list_names_everything(mpsae):
    code, out, err = mpsae("list")
    assert code == 0 and not err
    there = {line.split()[0] for line in out.splitlines() if line}
    assert there >= {*known(), *presets(), *known_sources(), *worlds(), *known_metrics()}
    assert there >= {"hierarchy", "absorption", "digits"}
    assert mpsae("list", "sources")[1].splitlines()[0] == f"sources ({len(known_sources())})"
    metrics = mpsae("list", "metrics")[1]
    assert [
        line for line in metrics.splitlines()[2:] if line and line[-1] not in ".?"
    ] == []  # whole sentences
    first, *groups = metrics.split("\n\n")
    assert first == f"metrics ({len(known_metrics())})"
    heading, *lines = groups[[group.split()[0] for group in groups].index("sparsity:")].splitlines()
    assert heading == "  sparsity: How many latents fire, how often, and how unevenly."
    assert (
        {"l0", "hoyer", "dead_1e-5"} < {line.split()[0] for line in lines} < known_metrics().keys() - {"fvu"}
    )
    assert any(line.split() == ["mp_clean", "mp()"] for line in mpsae("list", "presets")[1].splitlines())


# what is typed, parts of the line
REFUSED = {
    "verb": (["trian"], ["'trian'", "did you mean 'train'"]),
    "kind": (["list", "variant"], ["'variant'", "metrics", "did you mean variants"]),
    "experiment": (["run", "hierarchi"], ["'hierarchi'", "absorption", "did you mean 'hierarchy'"]),
    "experiment file": (["figures", "nope.py"], ["no experiment file nope.py"]),
    "no rows at all": (["verdict"], ["no results in results", "mpsae run"]),
    "scale": (
        ["run", "hierarchy", "--scale", "smoky"],
        ["--scale", "'smoky'", "quick", "did you mean smoke"],
    ),
    "option": (["run", "hierarchy", "--resutls", "x"], ["--resutls", "did you mean --results"]),
    "no such data": (
        ["run", "modality", "--data", "clip_lik"],
        ["--data clip_lik: no such folder or file", "ssb16k", "did you mean 'clip_like'"],
    ),
    "data of its own": (["run", "hierarchy", "--data", "gap"], ["hierarchy is about data of its own"]),
    **{
        f"{name} on no pairs": (
            ["run", name, "--data", "dial_S"],
            ["dial_S is no set of pairs", "be centred"],
        )
        for name in ("modality", "concepts")
    },
    "expressivity on a world": (
        ["run", "expressivity", "--data", "dial_S"],
        ["dial_S", "rows that can be centred"],
    ),
    "field of data": (
        ["run", "modality", "--data", "gap:omision=0.2"],
        ["'omision'", "did you mean 'omission'"],
    ),
    "no labels": (["run", "concepts", "--data", "gap"], ["paired_gap has no labels"]),
    "no results": (["verdict", "hierarchy", "--results", "none"], ["none", "mpsae run hierarchy"]),
    "nothing to train": (["train"], ["sae:mp", "sae:topk"]),
    "no source": (["train", "sae:mp"], ["source:tree20", "source:digits"]),
    "variant": (["train", "sae:tokp", *SOURCE], ["'tokp'", "batch-topk", "did you mean 'topk'"]),
    "preset": (["train", "sae:mp_paper_ty", *SOURCE], ["'mp-paper-ty'", "did you mean 'mp-paper-toy'"]),
    "source": (["train", "sae:mp", "source:tre20"], ["'tre20'", "digits", "did you mean 'tree20'"]),
    "option of train": (
        ["train", "--widht", "20", *TOPK],
        ["train: unrecognized arguments: --widht; did you mean '--width'? (see mpsae train --help)"],
    ),
    "option of the optimiser": (["train", *TOPK, "--optim.stesp=3"], ["did you mean '--optim.steps'"]),
    "field": (["train", "sae:mp", "--sae.on_repaet", "stop", *SOURCE], ["did you mean '--sae.on-repeat'"]),
    "field of the source": (["train", *TOPK, "--source.corelation", "0"], ["'--source.correlation'"]),
    "nothing like it": (["train", *TOPK, "--zzz"], ["unrecognized arguments: --zzz (see"]),
    "type": (["train", "sae:mp", "--sae.k", "x", *SOURCE], ["--sae.k", "'x'", "INT"]),
    "k 0": (["train", *TINY, "sae:mp", "--sae.k", "0", *SOURCE], ["sae.k = 0", "at least 1"]),
    "k above width": (["train", *TINY, "sae:mp", "--sae.k", "21", *SOURCE], ["sae.k = 21", "width = 20"]),
    "choice": (["train", *TINY, "sae:mp", "--sae.select", "relumax", *SOURCE], ["'relumax'", "'relu_max'"]),
    "width": (["train", "--width", "0", *TOPK], ["width = 0", "from 1"]),
    "width beyond int32": (["train", "--width", str(10**20), *TOPK], ["width = 1000", "2**31 - 1"]),
    "rate": (["train", *TINY, "--optim.lr", "nan", *TOPK], ["optim.lr = nan"]),
    "seed": (["train", *TINY, "--seed", "-1", *TOPK], ["seed", "-1", "from 0"]),
    "ks": (["train", *TINY, "--ks", "1,21", *TOPK], ["ks has 21", "width, 20"]),
    "ks text": (["train", *TINY, "--ks", "1,a", *TOPK], ["--ks 1,a", "1,2,4"]),
    "source value": (["train", *TINY, *TOPK, "--source.correlation", "7"], ["correlation = 7"]),
    "required field": (["train", "sae:mp", "source:arrays"], ["--source.path", "required"]),
    "no plug-in": (["train", "nope.py", *TOPK], ["no file nope.py"]),
    "no config": (["train", "nope.json"], ["no file nope.json"]),
    "no saved sae": (["score", "nope"], ["nope/sae.json", "missing"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_words_are_one_line_with_what_is_allowed(name, mpsae):
    words, parts = REFUSED[name]
    refuse(mpsae, words, *parts)


def test_bad_files_are_one_line_that_names_them(mpsae):
    Path("syntax.py").write_text("x = 1\ndef f(:\n")
    refuse(mpsae, ["train", "syntax.py", *TOPK], "syntax.py, line 2", "syntax error")
    refuse(mpsae, ["run", "syntax.py"], "syntax.py", "line 2", "SyntaxError")
    Path("name.py").write_text("\nx = y\n")
    refuse(mpsae, ["verdict", "name.py"], "name.py, line 2", "NameError", "'y'")
    Path("empty.py").write_text("")
    refuse(mpsae, ["run", "empty.py"], "empty.py", "defines no EXPERIMENT")
    Path("leaves.py").write_text("raise SystemExit(3)\n")
    refuse(mpsae, ["run", "leaves.py"], "leaves.py, line 1", "SystemExit")
    Path("broken.json").write_text("{")
    refuse(mpsae, ["train", "broken.json"], "broken.json", "not JSON")
    Path("bytes.json").write_bytes(b"\xff\xfe")
    refuse(mpsae, ["train", "bytes.json"], "bytes.json", "utf-8")
    content = json.loads(Path(config("key.json")).read_text())
    content["optim"]["lrr"] = 3
    Path("key.json").write_text(json.dumps(content))
    refuse(mpsae, ["train", "key.json"], "key.json", "optim", "'lrr'", "did you mean 'lr'")
    refuse(mpsae, ["train", config("good.json"), "--width", "3"], "good.json", "--width", "not both")
    good = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    np.save("nan.npy", np.where(np.arange(8) == 5, np.nan, good))
    np.save("whole.npy", good)
    Path("cut.npy").write_bytes(Path("whole.npy").read_bytes()[:700])
    arrays = [*TINY, "sae:topk", "--sae.k", "2", "source:arrays", "--source.path"]
    refuse(
        mpsae, ["train", *arrays, "nan.npy", "--source.cast", "float32"], "nan.npy, row 0, column 5", "nan"
    )
    refuse(mpsae, ["train", *arrays, "cut.npy"], "cut.npy", "complete file")
    refuse(mpsae, ["train", *arrays, "none.npy"], "none.npy", "no such file")
    refuse(mpsae, ["run", "modality", "--data", "whole.npy"], "whole is no set of pairs", "centred modality")
    refuse(mpsae, ["run", "expressivity", "--data", "cut.npy"], "cut.npy", "complete file")
    refuse(
        mpsae, ["train", *arrays, "whole.npy", "--source.held-out", "300"], "held_out = 300", "less than 300"
    )
    refuse(mpsae, ["train", "--out", "cut.npy", *TINY, *TOPK], "cut.npy", "Not a directory")


def test_an_error_in_a_variant_names_its_line_and_debug_shows_the_rest(mpsae, capsys):
    Path("wrong.py").write_text(PLUGIN.replace("self.sharpness", "self.sharp").replace("_mine", "_wrong"))
    words = ["train", "wrong.py", *TINY, "sae:test_cli_wrong", "--sae.depth", "1", *SOURCE]
    refuse(mpsae, words, "wrong.py, line 12: AttributeError", "'sharp'", "--debug")
    with pytest.raises(AttributeError, match="sharp"):
        cli.main(["--debug", *words])


def test_train_score_and_its_refusals(mpsae):
    code, out, _ = mpsae("train", *TINY, "--save-config", "run.json", "--ks", "1,2", *TOPK, "--seed", "1")
    assert code == 0
    folder, headline = saved_in(out), numbers(out)
    assert {name for name, *_ in headline} >= {"fvu", "ev", "l0", "mcc_signed", "f1_hungarian", "dead_frac"}
    (group,) = load("results/train/custom").groups
    assert any(line["metric"] == "curve_steps_ev" and line["at"] == {"k": 1} for line in group.values)

    code, out, err = mpsae("score", folder)
    assert code == 0 and numbers(out) == headline and not err
    every = numbers(mpsae("score", folder, "--all")[1])
    divided = mpsae("score", folder, "--mesh", "batch=4")[1]
    for mine, other in zip(numbers(divided), numbers(out), strict=True):
        assert mine[0] == other[0] and float(mine[-1]) == pytest.approx(float(other[-1]), rel=2e-3, abs=1e-6)
    for mesh in ("atoms=2", "batch=5"):
        refuse(mpsae, ["score", folder, "--mesh", mesh], f"--mesh {mesh}: scores are divided by rows alone")
    assert len(every) > len(headline) and all(line in every for line in headline)

    kept = Run.from_json(Path("run.json").read_text())
    assert kept.seed == Seed.all(1) and kept.width == 20 and kept.evaluation.ks == (1, 2)
    code, out, err = mpsae("train", "run.json")  # the same run: nothing is done again
    assert code == 0 and saved_in(out) == folder and numbers(out) == headline
    assert "already in" in err[-1]

    rng = np.random.default_rng(0)
    np.save("rows20.npy", rng.normal(size=(300, 20)).astype(np.float32))
    np.save("rows8.npy", rng.normal(size=(300, 8)).astype(np.float32))
    np.save("nan.npy", np.full((300, 20), np.nan, np.float32))
    code, out, _ = mpsae("score", folder, "--data", "rows20.npy")
    assert code == 0
    here, there = ({line[0]: line[1] for line in text} for text in (numbers(out), headline))
    assert here["fvu"] != there["fvu"] and here["fvu"] != "-"
    refuse(mpsae, ["score", folder, "--data", "rows8.npy"], "rows of 20 values", "has 8")
    refuse(mpsae, ["score", folder, "--data", "nan.npy"], "nan.npy, row 0, column 0")
    refuse(mpsae, ["score", folder, "--data", "rows20.txt"], "rows20.txt", ".npy")
    record = (folder / "sae.json").read_text()
    (folder / "sae.json").write_text(record.replace('"k": 2', '"k": 3'))
    refuse(mpsae, ["score", folder], "sae.json", "damaged", "expected sha256")
    (folder / "sae.json").write_text(record[:-20])
    refuse(mpsae, ["score", folder], "sae.json", "damaged")


def test_a_variant_of_ones_own_is_trained_and_scored_by_its_file(mpsae):
    Path("mine.py").write_text(PLUGIN)
    code, out, _ = mpsae("train", "mine.py", *TINY, "sae:test_cli_mine", "--sae.depth", "3", *SOURCE,
                         "--save-config", "mine.json")  # fmt: skip
    assert code == 0
    folder = saved_in(out)
    refuse(mpsae, ["train", "mine.py", *TINY, "sae:test_cli_mine", *SOURCE], "--sae.depth", "required")
    REGISTRY.pop("test_cli_mine")
    refuse(mpsae, ["score", folder], "sae.json", "unknown variant 'test_cli_mine'")
    assert numbers(mpsae("score", "mine.py", folder)[1]) == numbers(out)
    assert saved_in(mpsae("train", "mine.py", "mine.json")[1]) == folder


def test_a_diverged_run_says_so_and_exits_with_1(mpsae):
    code, out, _ = mpsae("train", *TINY, "--optim.lr", "1e30", "--optim.warmup", "0", *TOPK)
    assert code == 1 and "diverged at step" in out


def experiment(limit):
    Path("elsewhere").mkdir(exist_ok=True)
    Path("elsewhere/_mine_helper.py").write_text(
        "from mpsae.sources.tree20 import Tree20\nSOURCE = Tree20(held_out=200)\n"
    )
    path = Path("elsewhere/mine.py")
    path.write_text(EXPERIMENT % limit)
    return path


def test_an_experiment_file_from_elsewhere_runs_draws_and_is_judged(mpsae):
    path = experiment("1e9")
    code, out, err = mpsae("run", path, "--scale", "smoke")
    assert code == 0 and "a note of its own" in err
    assert "Does it run?" in out and "pass" in out and "1 of 2 claims are not judged" in out
    figure = Path("results/mine/smoke/figures/only.png")
    assert figure.read_bytes().startswith(b"\x89PNG")
    rows_file = Path("results/mine/smoke/rows.jsonl").read_bytes()

    assert mpsae("verdict", path)[0] == 0
    figure.unlink()
    assert mpsae("figures", path, "--scale", "smoke")[0] == 0 and figure.is_file()
    experiment("0")
    code, out, _ = mpsae("verdict", path)
    assert code == 1 and "fail" in out
    assert mpsae("run", path, "--scale", "smoke", "--no-figures")[0] == 0
    assert Path("results/mine/smoke/rows.jsonl").read_bytes() == rows_file
    refuse(mpsae, ["verdict", path, "--scale", "full"], "results/mine/full", "mpsae run mine --scale full")
    Path("results/mine/smoke/rows.jsonl").write_bytes(rows_file.replace(b'"fvu"', b'"fvv"'))
    refuse(mpsae, ["verdict", path], "rows.jsonl", "damaged")


def test_data_are_a_world_by_its_name_with_fields_of_its_own(mpsae):
    asked = "def on(source, scale): raise ValueError(f'{scale}: {source!r}')\nEXPERIMENT = Experiment(on=on,"
    path = experiment("1e9")
    path.write_text(path.read_text().replace("EXPERIMENT = Experiment(", asked))
    words = ["run", path, "--scale", "smoke", "--data"]
    for place, source in {
        "dial_S": Dial(),
        "dial_S:correlation=0.6,clans=4": Dial(correlation=0.6, clans=4),
        "ssb8": Ssb().scaled(8),
        "gap:centring=modality": Paired(delta=1.5, centring="modality"),
    }.items():
        refuse(mpsae, [*words, place], f"smoke: {source!r}")
    for taken in ("dial_S", "ssb", "paired_gap", "scenes"):
        Path(f"{taken}.npy").write_bytes(b"")
        refuse(mpsae, [*words, f"{taken}.npy"], f"figures would call it {taken}", "rename it")
