"""The tables of the report: medians by hand, settings that tell lines apart, refusals."""

import itertools

import numpy as np
import pytest

from mpsae.report.columns import Column, column, ordered, pinned
from mpsae.report.sheet import sheet, text
from mpsae.rows import Group, Table


def run(label="MP", seed=0, fl=0.25, *, source=None, data=None, fingerprint="f", values=(), **fields):
    """A group of one run; `values` are (metric, at, value)."""
    return Group(
        run={
            "run": f"{label}-{seed}-{source}-{fields}", "label": label, "variant": "mp", "fields": fields, "width": 8,
            "seed": {"init": seed, "world": seed}, "data": data, "provenance": {},
            "source": {"name": "tree", "fingerprint": f"{fingerprint}-{seed}", **(source or {})},
        },
        values=[{"metric": "fvu", "at": {}, "value": fl},
                *({"metric": metric, "at": at, "value": value} for metric, at, value in values)],
        end={"status": "ok"},
    )  # fmt: skip


def made(*groups):
    return sheet(Table(groups=list(groups), notes=[]), "mine", "full")


def test_a_line_is_the_median_over_its_seeds_whatever_the_order_of_the_rows():
    groups = [run(seed=seed, fl=value) for seed, value in enumerate([0.5, 0.1, 0.3])]
    first = made(*groups)
    (line,) = first.lines
    (fvu,) = line.values
    assert (fvu.value, fvu.low, fvu.high, fvu.n, line.seeds) == (0.3, 0.1, 0.5, 3, 3)
    assert all(made(*order) == first for order in itertools.permutations(groups))


def test_an_even_number_of_seeds_has_the_mean_of_the_middle_two():
    values = [0.9, 0.2, 0.4, 0.1]
    (line,) = made(*(run(seed=seed, fl=value) for seed, value in enumerate(values))).lines
    assert line.values[0].value == pytest.approx(np.median(values))


def test_a_seed_without_a_value_is_missing_and_a_metric_without_any_has_no_column():
    whole = run(seed=0, values=[("mcc_signed", {}, 0.5), ("ev", {}, None)])
    found = made(whole, run(seed=1, values=[("mcc_signed", {}, None)]), run("TopK"))
    assert [one.name for one in found.columns] == ["fvu", "mcc_signed"]
    mp, topk = found.lines
    assert (mp.values[1].value, mp.values[1].n, mp.values[1].missing) == (0.5, 1, 1)
    assert topk.values[1] is None


def test_what_tells_lines_apart_is_their_setting_and_nothing_else():
    grid = [run(sae, source={"correlation": c, "mean": 1.5}) for c in (0.3, 0.0) for sae in ("TopK", "MP")]
    found = made(
        *grid, run("MP", source={"correlation": 0.0, "mean": 1.5}, k=10), run("other", data="x y", k=2)
    )
    said = [
        (line.kind.data, line.kind.sae, text(line.kind.world), text(line.kind.own)) for line in found.lines
    ]
    assert said == [
        ("tree", "MP", "correlation 0", ""),
        ("tree", "MP", "correlation 0", "k 10"),
        ("tree", "TopK", "correlation 0", ""),
        ("tree", "MP", "correlation 0.3", ""),
        ("tree", "TopK", "correlation 0.3", ""),
        ("x y", "other", "", ""),
    ]


def test_numbers_are_in_order_of_size():
    found = made(*(run(k=k) for k in (16, 4, 128)))
    assert [line.kind.own for line in found.lines] == [{"k": 4}, {"k": 16}, {"k": 128}]


@pytest.mark.parametrize("label", ["MP", "TopK"])
def test_two_data_are_never_in_one_table(label):
    """In one cell, or side by side: both would compare numbers on different rows."""
    other = run(label, fingerprint="g", k=3)
    said = "mine at scale full: tree of world seed 0 has two fingerprints, f-0 and g-0; keep rows"
    with pytest.raises(ValueError, match=said):
        made(run(), other)
    made(run(), run(label, seed=1, fingerprint="g"))  # another world
    made(run(), run(label, fingerprint="g", data="other"))  # said to be other data
    made(run(), run(label, fingerprint="g", source={"correlation": 0.3}))


def test_a_seed_counts_once():
    with pytest.raises(ValueError, match=r"are both MP of seed .*; keep one"):
        made(run(), run(fl=0.5))


def test_points_of_a_curve_are_no_columns_but_those_that_are_asked_for_are():
    assert column("recovered", {"t": 0.9}) is None
    assert column("fvu", {"t": 0.9}) is None
    assert column("concept_auroc", {"factor": "hue", "side": "image"}) is None
    for side in ("both", "rows"):
        assert column("concept_auroc", {"factor": "hue", "side": side}) == Column("concept_auroc", "hue")


def test_recovery_stands_beside_reconstruction():
    columns = ordered({Column(name) for name in ("ev", "flat_mse", "hoyer", "fvu", "mcc_signed", "l0")})
    assert [one.name for one in columns] == ["l0", "fvu", "ev", "mcc_signed", "flat_mse", "hoyer"]


def test_every_line_keeps_l0_fvu_and_its_own_first_measure_of_recovery():
    columns = [Column(name) for name in ("l0", "fvu", "ev", "mcc_signed", "concept_auroc", "flat_mse")]
    both = [(1, 1, 1, 1, None, 1), (1, 1, 1, None, 1, None)]
    names = [
        {one.name for one in pinned(columns, lines)}
        for lines in (both, both[:1], [(1, 1, 1, None, None, None)])
    ]
    assert names == [{"l0", "fvu", "mcc_signed", "concept_auroc"}, {"l0", "fvu", "mcc_signed"}, {"l0", "fvu"}]
