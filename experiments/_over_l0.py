"""A score against the measured L0, of SAEs asked for several; the L0 that a row was asked for."""

import numpy as np

from mpsae.intervals import interval


def asked(row):
    """The L0 that a row was asked for; None for one that was asked for none, as the true codes."""
    fields = row["fields"]
    return fields.get("target_l0") or fields.get("k") or fields.get("l0")


def over_l0(axes, rows, metric, label, look):
    """Median over seeds and its 95 % band per L0 asked for, at the median L0 measured; nothing without values."""
    rows = [row for row in rows if row["label"] == label]
    measured = {row["run"]: row["value"] for row in rows if row["metric"] == "l0" and row["value"]}
    mine = [row for row in rows if row["metric"] == metric and row["run"] in measured]
    points = []
    for k in sorted({asked(row) or 0 for row in mine}):
        at_k = [row for row in mine if (asked(row) or 0) == k]
        span = interval(row["value"] for row in at_k)
        if span.n:
            points.append(
                (np.median([measured[row["run"]] for row in at_k]), span.value, span.low, span.high)
            )
    if points:
        table = np.array(points).T
        axes.plot(table[0], table[1], label=label, **look)
        axes.fill_between(table[0], table[2], table[3], color=look["color"], alpha=0.16, lw=0)
