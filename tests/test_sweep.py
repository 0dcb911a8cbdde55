"""A grid is done once, survives interruption and divergence, and says the same numbers again."""

import dataclasses

import numpy as np
import pytest
from sweeping import BOUNDS, GRID, OPTIM, Spy, do, groups, run, value, values

from mpsae import rows, saved
from mpsae.book import absent
from mpsae.claim import Compare, judge
from mpsae.config import Evaluation, Seed
from mpsae.metrics.base import Value, known_metrics
from mpsae.outcome import l0_miss
from mpsae.reencoding import reencoded
from mpsae.saes.batch_topk import BatchTopK
from mpsae.saes.jumprelu import JumpReLU
from mpsae.saes.mp_adaptive import AdaptivePursuit
from mpsae.saes.relu import ReLU
from mpsae.saes.topk import TopK
from mpsae.score import Scores, score
from mpsae.sources.arrays import Arrays
from mpsae.sources.tree20 import Tree20
from mpsae.sweep import jobs_of
from mpsae.train import Trained

pytestmark = pytest.mark.xdist_group("sweep")  # the module's folders are made once


def test_every_run_has_a_complete_group_in_grid_order(swept):
    folder, ids, _, _ = swept
    found = groups(folder)
    assert len(ids) == len(set(ids)) == 3 and set(ids) < set(found)
    for one, run_id in zip(GRID, ids, strict=True):
        group = found[run_id]
        assert group.end["status"] == "ok" and group.end["seconds"] >= 0
        assert group.run["seed"] == dataclasses.asdict(one.seed)
        assert group.run["width"] == 20 and group.run["fields"]["k"] == 2
        assert group.run["provenance"]["command"] == "mpsae run test"
        assert {line["metric"] for line in group.values} >= {"fvu", "l0", "mcc_signed", "absorb_cos_codes"}
        assert all(line["n"] == 200 for line in group.values if "array" not in line)
    assert [found[run_id].run["label"] for run_id in ids] == ["topk", "topk", "pursuit"]


def test_metrics_curves_and_arrays_that_were_asked_for_are_there(swept):
    folder, ids, _, _ = swept
    found = groups(folder)
    given = {line["metric"] for line in found[ids[0]].values}
    arrays = {
        line["metric"]: rows.read_array(folder, line) for line in found[ids[0]].values if "array" in line
    }
    usual = {
        name
        for name, formula in known_metrics().items()
        if not formula.on_request
        and not absent(formula.arguments, {"pairs", "labels", "scores_true", "captions"})
    }
    assert "energy_image" not in given | usual  # rows that are no pairs have no side
    assert usual - given <= {"cross_gram", "cross_gram_codes", "density", "density_hist", "energy",
                                            "coherence_hist", "reference_codes"}  # fmt: skip
    assert {name: array.shape for name, array in arrays.items()} == {
        "gram": (20, 20), "atoms": (3, 20), "examples": (2, 4, 20),
    }  # fmt: skip
    ks = [line["at"]["k"] for line in found[ids[0]].values if line["metric"] == "curve_steps_nmse"]
    assert ks == [1, 2, 5]
    assert not any(line["metric"].startswith("curve_") for line in found[ids[2]].values)
    assert value(found[ids[0]], "fvu") != value(found[ids[1]], "fvu")


def test_runs_that_differ_in_static_fields_are_trained_in_separate_stacks(swept):
    text = "\n".join(swept[3].lines)
    assert "run 1-2 of 3 (topk)" in text.replace("()", "(topk)") and "run 3-3 of 3 (pursuit)" in text


def test_bounds_are_scored_once_per_world_and_the_true_codes_are_perfect(swept):
    folder = swept[0]
    bounds = [
        group for group in groups(folder).values() if group.run["variant"] in ("oracle codes", "random")
    ]
    assert len(bounds) == 2 * len(BOUNDS)  # two seeds, two worlds
    for group in bounds:
        if group.run["label"] == "oracle codes":
            assert value(group, "fvu") < 1e-10
            assert value(group, "mcc_signed") == pytest.approx(1.0, abs=1e-6)
            assert value(group, "f1_hungarian") == pytest.approx(1.0, abs=1e-6)
        else:
            assert value(group, "mcc_signed") < 0.9 and value(group, "fvu") > 0.01


def test_bounds_have_the_widths_and_seeds_of_the_runs_up_to_a_seed(tmp_path, monkeypatch):
    def untrained(members, sources, *, width, report, keeper, layout):
        return [Trained(one.sae.init(one.init, 20, width), {}, -1, {}) for one in members]

    monkeypatch.setattr("mpsae.sweep.fit", untrained)
    monkeypatch.setattr("mpsae.outcome.score", lambda *_, **__: Scores([("l0", Value(1.0))], {}, 1))
    seeds = [Seed(), Seed(init=1), Seed.all(1)]
    grid = [run(seed=seed, width=width) for seed in seeds for width in (5, 20, 30)]
    folder = tmp_path / "all"
    do(folder, grid, bounds=BOUNDS[:1])
    bounds = [group.run for group in groups(folder).values() if group.run["variant"] == "oracle codes"]
    found = [(one["width"], Seed(**one["seed"])) for one in bounds]  # of 30 atoms the truth has only 20
    assert len(found) == 6 and set(found) == {(width, seed) for seed in seeds for width in (5, 20)}
    assert rows.load(folder).notes == []  # none is there twice
    few = tmp_path / "few"
    do(few, grid[6:], bounds=BOUNDS[:1], bound_seeds=1)
    assert len(groups(few)) == 3  # runs alone


def test_bounds_given_once_are_scored_on_every_world(tmp_path):
    do(tmp_path, [run(0), run(1)], bounds=iter(BOUNDS[:1]))
    assert sum(group.run["variant"] == "oracle codes" for group in groups(tmp_path).values()) == 2


def test_rows_of_other_encoders_are_stored_at_their_name_and_picked_by_claims(tmp_path):
    wanted = Evaluation(encoders=("projection", "omp"))
    (one,), _ = do(tmp_path, [run(0, evaluation=wanted, optim=OPTIM.replace(steps=200))])
    table = [row for row in rows.tidy(rows.load(tmp_path)) if row["metric"] == "ev"]
    at = {row["at"].get("encoder", "its own"): row["value"] for row in table}
    assert set(at) == {"its own", "projection", "omp"} and len(table) == 3
    better = Compare("omp", "ev", lambda row: row["at"] == {"encoder": "omp"}, lambda row: row["at"] == {},
                     "higher", scales=("smoke",))  # fmt: skip
    assert judge(better, table, "smoke").value == pytest.approx(at["omp"] - at["its own"], abs=1e-12)
    sae, params, record = saved.load(tmp_path / "saes" / one)
    assert [line["metric"] for line in record["scores"]].count("ev") == 1  # its own
    again = reencoded(sae, params, "omp", l0=value(groups(tmp_path)[one], "l0"), rows=np.zeros((1, 20)))
    found = score(*again, Tree20(held_out=200).build(0), metrics=["ev"]).value("ev")
    assert found == pytest.approx(at["omp"], abs=1e-5)


def test_a_finished_grid_is_not_touched(swept):
    folder, ids, written, _ = swept
    progress = Spy()
    assert do(folder, GRID, progress, BOUNDS) == (ids, written)
    assert any("3 of 3 runs are already in" in line for line in progress.lines)
    assert not any("step" in line for line in progress.lines)


def test_a_saved_sae_is_the_one_that_was_scored(swept):
    folder, ids, _, _ = swept
    for one, run_id in zip(GRID, ids, strict=True):
        sae, params, record = saved.load(folder / "saes" / run_id)
        again = score(sae, params, one.source.build(one.seed.world), metrics=["fvu", "l0", "mcc_signed"])
        group = groups(folder)[run_id]
        for metric in ("fvu", "l0", "mcc_signed"):
            assert again.value(metric) == value(group, metric), metric
        assert record["trained_on"]["samples"] == 20 * 32
        assert record["trained_on"]["source"]["world"] == one.seed.world


def test_the_same_runs_give_the_same_value_lines_elsewhere(swept, tmp_path):
    folder, _, written, _ = swept
    again = do(tmp_path, GRID, bounds=BOUNDS)[1]

    def lines(data):
        return [line for line in data.splitlines() if b'"kind":"value"' in line]

    assert lines(again) == lines(written) and len(lines(again)) > 100


def test_a_diverging_member_is_null_with_its_step_and_harms_nobody(tmp_path):
    wild = run(1, optim=OPTIM.replace(lr=1e30))
    (calm_id, wild_id), _ = do(tmp_path / "one", [run(0), wild])
    (same_id, _), _ = do(tmp_path / "two", [run(0), run(1)])
    broken, calm = (groups(tmp_path / "one")[one] for one in (wild_id, calm_id))
    assert broken.end["status"] == "diverged" and 0 <= broken.end["step"] < 20
    assert all(line["value"] is None for line in broken.values if "array" not in line)
    notes = {line["note"] for line in broken.values}
    assert notes == {f"diverged at step {broken.end['step']}"}
    assert calm_id == same_id and calm.end["status"] == "ok"
    assert values(calm) == values(groups(tmp_path / "two")[calm_id])
    params = saved.load(tmp_path / "one" / "saes" / wild_id)[1]
    assert all(np.isfinite(array).all() for array in params.values())
    assert do(tmp_path / "one", [run(0), wild], progress := Spy())[0] == [calm_id, wild_id]
    assert not any("step" in line for line in progress.lines)


def test_stored_rows_get_stability_and_no_truth(tmp_path):
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32))
    source = Arrays(path=str(tmp_path / "data.npy"), held_out=100)
    wanted = Evaluation(matrices=("energy", "cross_gram"))
    ids, _ = do(
        tmp_path / "rows",
        [run(seed, source=source, width=12, evaluation=wanted) for seed in (0, 1)],
        bounds=BOUNDS,
    )
    found = groups(tmp_path / "rows")
    assert set(found) == set(ids)  # no truth, no bounds
    first, second = (found[one] for one in ids)
    assert not any(line["metric"].startswith("stability") for line in first.values)
    assert 0 < value(second, "stability") <= value(second, "stability_abs") <= 1
    assert value(first, "mcc_signed") is None and value(first, "fvu") > 0
    assert [line["metric"] for line in first.values if "array" in line] == ["energy"]
    (undefined,) = (line for line in first.values if line["metric"] == "cross_gram")
    assert undefined["value"] is None and undefined["note"] == "no ground truth"
    text = (tmp_path / "rows" / "rows.jsonl").read_text()
    assert str(tmp_path) not in text


def test_stored_rows_are_read_once_and_a_world_once_a_seed(tmp_path, monkeypatch):
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32))
    built = []
    for kind in (Arrays, Tree20):
        whole = kind.build
        monkeypatch.setattr(
            kind,
            "build",
            lambda self, seed, whole=whole: built.append((self.name, seed)) or whole(self, seed),
        )
    stored = Arrays(path=str(tmp_path / "data.npy"), held_out=10)
    jobs = jobs_of([run(seed, sae, source=source, width=8) for source in (stored, Tree20(held_out=10))
                  for seed in (0, 1) for sae in (TopK(k=2), TopK(k=3))], built_before := {})  # fmt: skip
    assert built == [("arrays", 0), ("tree20", 0), ("tree20", 1)]
    assert len({job.id for job in jobs}) == 8 and len({id(job.source) for job in jobs}) == 3
    (again,) = jobs_of([jobs[0].run], built_before)
    assert again.source is jobs[0].source and len(built) == 3


def test_the_same_run_twice_is_done_once(tmp_path):
    ids, _ = do(tmp_path, [run(0), run(0, label="again")])
    assert len(ids) == 1 == len(groups(tmp_path))


@pytest.mark.parametrize("bad, part", [
    (run(width=1), "sae.k = 2"),
    (run(evaluation=Evaluation(matrices=("grm",))), "did you mean 'gram'"),
    (run(evaluation=Evaluation(examples=1)), "evaluation.ks"),
    (run(source=Tree20(held_out=1001)), "held_out = 1001"),
    (run(optim=OPTIM.replace(lr=-1.0)), "optim.lr = -1.0"),
])  # fmt: skip
def test_one_bad_run_is_refused_before_any_is_trained(tmp_path, bad, part):
    progress = Spy()
    with pytest.raises(ValueError, match=part):
        do(tmp_path / "new", [run(0), bad], progress)
    assert not progress.lines and not list((tmp_path).glob("new/*"))


def test_a_place_that_cannot_be_written_is_refused_before_any_run_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    progress = Spy()
    with pytest.raises(OSError, match="file"):
        do(tmp_path / "file" / "below", [run(0)], progress)
    assert not any("step" in line for line in progress.lines)


def test_a_part_on_stored_rows_is_refused(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32))
    stored = run(source=Arrays(path=str(tmp_path / "rows.npy"), held_out=10), width=6)
    with pytest.raises(ValueError, match="a part of a grid on stored rows cannot be done alone"):
        do(tmp_path / "out", [stored], share=(1, 2))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "sae, target",
    [
        (TopK(k=3), None),
        (BatchTopK(k=3.0), 3.0),
        (ReLU(controller="follow", target_l0=2.0), 2.0),
        (ReLU(), None),
        (JumpReLU(target_l0=4.0), 4.0),
        (JumpReLU(sparsity_loss="count", target_l0=4.0), None),
        (JumpReLU(sparsity_loss="count", controller="follow", target_l0=4.0), 4.0),
        (AdaptivePursuit(k=24, target_l0=6.0), 6.0),
        (AdaptivePursuit(k=24, target_l0=6.0, controller="none"), None),
    ],
)
def test_only_an_sae_that_is_steered_can_miss_its_l0(sae, target):
    expected = [] if target is None else [("l0_miss", pytest.approx(3.3 / target - 1))]
    assert [(name, value.value) for name, value in l0_miss(sae, 3.3)] == expected
