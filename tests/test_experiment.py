"""Experiments are data: their grids are valid at every scale, their claims and figures meet their rows."""

import dataclasses
import functools
import shutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from mpsae import rows
from mpsae.chains import chain_rows
from mpsae.claim import judge
from mpsae.config import Seed, deciding, plain
from mpsae.dictionaries import FITTED
from mpsae.experiment import Results, find, known, results
from mpsae.inference import curves
from mpsae.metrics.base import known_metrics
from mpsae.oracle import GIVEN
from mpsae.plots import style
from mpsae.progress import Progress
from mpsae.reencoding import METRICS as REENCODED
from mpsae.saes.mp import MatchingPursuit
from mpsae.scales import SCALES
from mpsae.score import score
from mpsae.source import known_sources
from mpsae.verbs import figures, verdict

NAMES = (
    "absorption", "backbone", "concepts", "dials", "digits", "expressivity", "hierarchy", "inference", "ksvd",
    "length", "modality", "synthbench", "vision", "words",
)  # fmt: skip
# Their quick grids are too large to fake here.
ON_PAIRS = ("backbone", "concepts", "expressivity", "modality", "vision", "words")
BEYOND_SCORES = {"stability", "stability_abs"} | {
    f"curve_{kind}_{what}"
    for kind in ("steps", "largest")
    for what in ("nmse", "ev", "k90", "overshoot", "auc_k")
} | {
    f"chain_{what}"
    for what in ("tau_x", "tau_xhat", "tau_code", "nested", "nested_null", "first_atom_level")
} | {
    "tau_d", "exterior_angle", "exterior_angle_null", "hier_precision", "hier_precision_null", "hier_recall",
    "hier_recall_null",
}  # fmt: skip
SHOWN = (
    "gram", "cross_gram_codes", "reference_codes", "coherence_hist", "modality_hist_linear",
    "modality_hist_energy", "word_table",
)  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_known_are_the_packages_own_and_those_of_the_current_folder(here):
    assert set(known()) == set(NAMES)
    (here / "experiments").mkdir()
    for name in ("mine.py", "digits.py", "_helper.py", "notes.txt"):
        (here / "experiments" / name).write_text("")
    assert set(known()) == {*NAMES, "mine"}
    assert known()["digits"].is_relative_to(here) and not known()["hierarchy"].is_relative_to(here)


def test_find_by_name_and_by_path(here):
    by_name = find("digits")
    assert by_name.name == "digits" and set(by_name.cost) == set(SCALES)
    assert find(str(known()["digits"])).question == by_name.question
    with pytest.raises(ValueError, match="unknown experiment 'digit'.*did you mean 'digits'"):
        find("digit")
    with pytest.raises(ValueError, match="no experiment file nope.py"):
        find("nope.py")


def test_a_file_that_cannot_be_loaded_leaves_nothing_behind(here):
    path = here / "halfway.py"
    path.write_text("x = 1\n1 / 0\n")
    with pytest.raises(ValueError, match="halfway.py, line 2: cannot be loaded, ZeroDivisionError") as caught:
        find("halfway.py")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    shutil.copy(known()["digits"], path)
    for helper in ("_image_figures.py", "_coherence_figure.py"):
        shutil.copy(known()["digits"].parent / helper, here)
    assert find("halfway.py").name == "digits"


def group(run_id, scale="smoke", value=1.0, **head):
    run = {"run": run_id, "experiment": "e", "scale": scale, "source": {"name": "s"}, "variant": "v",
           "fields": {}, "seed": {"init": 0}, "provenance": {}} | head  # fmt: skip
    return rows.Group(run=run, values=[{"metric": "fvu", "value": value}], end={"status": "ok"})


def test_results_are_those_of_the_largest_scale_that_has_rows(tmp_path):
    with pytest.raises(ValueError, match="no results in .*/e: run `mpsae run e --scale quick` first"):
        results("e", None, tmp_path)
    rows.append(tmp_path / "e/smoke/rows.jsonl", group("a"))
    assert results("e", None, tmp_path).scale == "smoke"
    rows.append(tmp_path / "e/full/rows.jsonl", group("b", "full"))
    found = results("e", None, tmp_path)
    assert (found.scale, found.folder, len(found.rows)) == ("full", tmp_path / "e/full", 1)
    assert results("e", "smoke", tmp_path).rows[0]["run"] == "a"
    with pytest.raises(ValueError, match="e/quick: run `mpsae run e --scale quick`"):
        results("e", "quick", tmp_path)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", NAMES)
def test_every_run_of_every_grid_is_valid(name, scale):
    experiment = find(name)
    grid = experiment.runs(scale)
    dims = {"tree20": 20, "toy_matryoshka": 20, "digits": 64, "mnist": 784, "scenes": 64, "paired": 64}
    for run in grid:
        run.validate()
        run.sae.validate(dims.get(run.source.name) or run.source.dim, run.width)
        assert run.label
    ids = {run.id(f"{run.source!r} {run.seed.world}") for run in grid}
    assert len(ids) == len(grid)  # no cell is there twice
    assert all(isinstance(note, str) for note in experiment.notes(scale))
    for bound in experiment.bounds(grid):
        assert bound.dictionary in GIVEN | FITTED


@pytest.mark.parametrize("name", NAMES)
def test_claims_name_metrics_and_scales_that_exist(name):
    for claim in find(name).claims:
        assert claim.metric in known_metrics().keys() | BEYOND_SCORES, claim.text
        assert set(claim.scales) <= set(SCALES), claim.text
    texts = [claim.text for claim in find(name).claims]
    assert len(texts) == len(set(texts))


@functools.cache
def measured(name, width, ks, also=()):
    """(source, params, scores, rows with curves) of an untrained pursuit on a small source of this kind."""
    kind = known_sources()[name]
    small = {"held_out": 1000} if "held_out" in kind.__dataclass_fields__ else {}
    if name == "ssb":  # the published one has 16 384 features
        small |= {"features": 340, "dim": 96, "roots": 4, "apart_steps": 0}
    source = kind(**small).build(0)
    sae = MatchingPursuit(k=2)
    params = sae.init(jax.random.key(0), source.dim, width)
    params["encoder"] = params["atoms"].T  # which this SAE does not have, and some scores are about
    scores = score(sae, params, source, also=also)
    values = scores.rows + (curves(sae, params, source, ks).rows if ks else [])
    if ks and getattr(source, "chains", None) is not None:
        values = values + chain_rows(sae, params, source.chains, ks)
    return source, params, scores, values


def requested(run):
    """What the run asks for beyond every run's scores; maps are slow, and made up."""
    wanted = (name for name in run.evaluation.matrices if known_metrics()[name].on_request)
    return tuple(name for name in wanted if name != "code_map")


def template(run):
    """(value lines, arrays) of one untrained SAE on a small source of the run's kind."""
    source, params, scores, values = measured(run.source.name, run.width, run.evaluation.ks, requested(run))
    lines = [
        {"metric": name, "value": value.value, "at": value.at, "n": scores.n, "split": "held_out"}
        | ({} if value.count is None else {"count": int(value.count)})
        for name, value in values
    ]
    arrays = {name: scores.matrices[name].array for name in SHOWN if name in scores.matrices}
    atoms = np.asarray(params["atoms"])[: max(1, run.evaluation.atoms)]
    examples = np.zeros((3, len(run.evaluation.ks) + 1, source.dim))
    return lines, {
        name: np.asarray(array, np.float32)
        for name, array in (
            arrays | {"atoms": atoms, "examples": examples, "code_map": np.zeros((2, 9, 2))}
        ).items()
    }


def synthetic(name, scale, root):
    """A results folder as the first seed of the grid would leave it, with numbers nobody trained."""
    experiment, made = find(name), {}
    grid = [run for run in experiment.runs(scale) if run.seed == Seed.all(0)]
    file = root / name / scale / "rows.jsonl"
    for run in grid:
        kind = run.source.name
        if kind not in made:
            lines, arrays = template(run)
            made[kind] = lines, rows.write_arrays(file.parent, kind, arrays)
        bounds = experiment.bounds(grid) if run.label == grid[0].label else ()
        for label in (run.label, *(bound.name for bound in bounds)):
            append(file, name, scale, label, run, made[kind])
    return results(name, scale, root)


def append(file, name, scale, label, run, made):
    lines, arrays = made
    factor = 1 + 0.1 * run.seed.init + 0.01 * len(label)
    wanted = {*run.evaluation.matrices, *(("atoms",) if run.evaluation.atoms else ())}
    wanted |= {"examples"} if run.evaluation.examples else set()
    values = [line | {"value": line["value"] and line["value"] * factor} for line in lines]
    values += [line | {"at": {}, "split": "held_out"} for line in arrays if line["metric"] in wanted]
    head = run.identity("f" * 64) | {
        "run": run.id(f"{run.source!r} {run.seed} {label}"), "label": label, "schema": rows.SCHEMA,
        "data": run.source.title, "experiment": name, "scale": scale, "provenance": {},
    }  # fmt: skip
    rows.append(file, rows.Group(run=head, values=values, end={"status": "ok"}))


@pytest.mark.parametrize(
    "name, scale",
    [*((name, "smoke" if name in ON_PAIRS else "quick") for name in NAMES), ("absorption", "smoke")],
)
def test_figures_are_drawn_and_claims_judged_from_stored_rows_alone(name, scale, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(rows, "append_bytes", unsynced)
    stored = synthetic(name, scale, tmp_path)
    experiment = find(name)
    written = figures.draw(experiment, stored, Progress())
    plt.close("all")
    assert written and all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    assert all(path.parent == stored.folder / "figures" for path in written)
    judged = verdict.verdicts(experiment, stored)
    here = [one for claim, one in zip(experiment.claims, judged, strict=True) if scale in claim.scales]
    if scale == "smoke":
        assert not here
    else:
        assert here and sum(one.status == "no data" for one in here) < len(here)
    text = verdict.lines(experiment, stored)
    assert text.startswith(f"{name} at scale {scale}: {experiment.question}")


@pytest.mark.parametrize("name", ON_PAIRS)
def test_figures_of_pairs_survive_a_plugin_a_partial_grid_and_lost_values(name, tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(rows, "append_bytes", unsynced)
    stored = synthetic(name, "smoke", tmp_path)
    left = [row for row in stored.rows if not row["label"].startswith("MP")]
    for row in left:
        if row["label"] == "TopK":  # as a plug-in without k
            row |= {"label": "soft", "fields": {}}
        if row["label"] == "ReLU":  # as a run that diverged
            row["value"] = None
    drawn = find(name).figures(dataclasses.replace(stored, rows=left))
    plt.close("all")
    assert drawn


def unsynced(path, data, *, mend):
    """`append_bytes` without its fsync, which is most of the time of a thousand groups."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file:
        file.write(data)


def points(run, metric):
    """Where a metric has rows: all over a curve, or pooled."""
    stand_in = {"mnist": "digits"}.get(run.source.name, run.source.name)
    width = min(run.width, 512)  # no point of a curve hangs on more
    there = curve_points(stand_in, width, run.evaluation.ks, metric, requested(run))
    return there + [{"encoder": name} for name in run.evaluation.encoders if metric in REENCODED]


@functools.cache
def curve_points(source, width, ks, metric, also=()):
    *_, values = measured(source, width, ks, also)
    return [value.at for name, value in values if name == metric] or [{}]


def cell(run):
    """What bounds are made for."""
    return repr((run.source, run.width, run.seed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", ["quick", "full"])
def test_every_claim_finds_its_runs_once_per_seed(name, scale, tmp_path, monkeypatch):
    experiment = find(name)
    if name == "digits":
        (tmp_path / "mnist.npz").write_bytes(b"")
        monkeypatch.setattr(sys.modules["mpsae_experiment_digits"], "MNIST", tmp_path / "mnist.npz")
    grid = experiment.runs(scale)
    bounds = [
        (bound.name, {} if bound.encoder is None else deciding(bound.encoder))
        for bound in experiment.bounds(grid)
    ]
    first = {cell(run): i for i, run in reversed(list(enumerate(grid)))}  # a bound is there once per cell
    heads = [
        {"run": f"{i}", "scale": scale, "label": label, "value": 1.0, "variant": run.sae.name, "split": "held_out",
         "source": {"name": run.source.name} | dataclasses.asdict(run.source), "fields": fields,
         "seed": dataclasses.asdict(run.seed), "data": run.source.title, "optim": plain(run.optim)}
        for i, run in enumerate(grid)
        for label, fields in ((run.label, plain(run.sae)), *(bounds if first[cell(run)] == i else ()))
    ]  # fmt: skip
    made = {}  # many claims are about one metric
    for claim in experiment.claims:
        if scale not in claim.scales or not (claim.required or scale == "full"):
            continue
        if claim.metric not in made:
            made[claim.metric] = [
                head | {"metric": claim.metric, "at": at}
                for head in heads
                for at in points(grid[int(head["run"])], claim.metric)
            ]
        assert judge(claim, made[claim.metric], scale).n > 1, claim.text


def test_a_results_matrix_is_read_back_or_refused(tmp_path):
    (line,) = rows.write_arrays(tmp_path, "run", {"gram": np.eye(3, dtype=np.float32)})
    stored = Results("e", "smoke", tmp_path, [])
    np.testing.assert_array_equal(stored.matrix({"array": line}), np.eye(3))
    (tmp_path / line["array"]).write_bytes(b"changed")
    with pytest.raises(ValueError, match="damaged"):
        stored.matrix({"array": line})


def test_style_leaves_the_settings_of_the_caller_alone():
    import matplotlib

    before = matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]
    with style():
        assert matplotlib.rcParams["axes.grid"] is True
    assert (matplotlib.rcParams["font.size"], matplotlib.rcParams["axes.grid"]) == before
