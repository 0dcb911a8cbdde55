"""Figures say what the rows say: the interval drawn, labels in order, gaps marked."""

import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure

from mpsae import plots
from mpsae.intervals import interval

VALUES = {1.0: [0.1, 0.4, 0.2], 2.0: [0.3, None, 0.5], 4.0: [0.0, 0.2, 0.9]}


def rows(label="MP", values=VALUES):
    return [
        {"label": label, "value": value, "at": {"k": k}, "seed": {"init": seed}}
        for k, column in values.items()
        for seed, value in enumerate(column)
    ]


def drawn(given, labels, **options):
    with plots.style():
        figure = Figure()
        axes = figure.subplots()
        plots.curve(axes, given, x=lambda row: row["at"]["k"], labels=labels, **options)
    return figure, axes


def test_line_and_band_are_the_interval():
    _, axes = drawn(rows(), ["MP"])
    spans = [interval(column) for column in VALUES.values()]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), list(VALUES))
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [span.value for span in spans])
    corners = axes.collections[0].get_paths()[0].vertices
    for place, span in zip(VALUES, spans, strict=True):
        heights = corners[corners[:, 0] == place][:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((span.low, span.high))


def test_a_floor_lifts_line_and_band():
    _, axes = drawn(rows(), ["MP"], floor=0.15)
    assert axes.lines[0].get_ydata().min() >= 0.15
    assert axes.collections[0].get_paths()[0].vertices[:, 1].min() >= 0.15


def crosses(axes):
    return [text.xy[0] for text in axes.texts if text.get_text() == "×"]


def test_missing_seeds_are_marked_where_they_are():
    assert crosses(drawn(rows(), ["MP"])[1]) == [2.0]
    _, axes = drawn(rows(values={1.0: [None, None], 2.0: [float("nan")]}), ["MP"])
    assert crosses(axes) == [1.0, 2.0] and not axes.lines


def test_labels_come_in_the_given_order_then_strangers_by_name():
    there = [{"label": label} for label in ("zeta", "TopK", "MP", "alpha", "MP")]
    assert plots.labels_of(there, ["ReLU", "MP", "TopK"]) == ["MP", "TopK", "alpha", "zeta"]


def test_a_label_looks_the_same_in_every_panel_and_unlike_the_others():
    labels = ["ReLU", "oracle codes", "MP", "random"]
    assert plots.look("MP", labels)["color"] == plots.COLOURS[1]
    assert plots.look("oracle codes", labels)["color"] == "black"
    many = [f"label {i}" for i in range(8)]
    looks = {(look["color"], look["marker"]) for look in (plots.look(label, many) for label in many)}
    assert len(looks) == 8
    plots.look("label 99", [f"label {i}" for i in range(100)])


def test_bounds_are_dashed_lines_without_a_band():
    _, axes = drawn(rows("oracle MP"), ["oracle MP"])
    assert not axes.collections and axes.lines[0].get_linestyle() == "--"


def test_a_whole_figure_is_saved_without_a_warning(tmp_path):
    with warnings.catch_warnings(), plots.style():
        warnings.simplefilter("error")
        figure = Figure(figsize=(8, 5))
        left, middle, right = figure.subplots(1, 3)
        plots.log_axis(left)
        labels = ["MP", "Matching × ŷ"]
        plots.curve(left, rows() + rows(labels[1]), x=lambda row: row["at"]["k"], labels=labels, floor=1e-8)
        image = plots.heat(middle, np.array([[0.5, -2.0], [np.nan, 1.0]]), limit=2.0, title="heat")
        plots.table(right, [["1", "2"]], ["row"], ["a", "b"])
        plots.legend(figure, left, columns=2)
        plots.caption(figure, "A caption that is long enough to be wrapped. " * 5)
        figure.savefig(tmp_path / "whole.png", metadata={"Software": None})
    assert image.get_clim() == (-2.0, 2.0)
    assert {cell.get_text().get_text() for cell in right.tables[0].get_celld().values()} == set("12ab") | {
        "row"
    }
    assert "\n" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels


def test_seeds_are_counted_by_all_four_numbers():
    given = [{"seed": {"init": 0, "data": data}} for data in (0, 1, 1)]
    assert plots.seeds(given) == 2


def test_numbers_stand_in_their_cells_readable_on_dark_and_on_light():
    axes = Figure().subplots()
    grid = np.array([[0.5, -1e-9], [12.25, np.nan]])
    plots.numbers(axes, grid, axes.imshow(grid, cmap="gray", vmin=0, vmax=1))
    drawn = {tuple(text.get_position()): (text.get_text(), text.get_color()) for text in axes.texts}
    assert drawn == {(0, 0): (".50", "black"), (1, 0): (".00", "white"), (0, 1): ("12.25", "black")}
