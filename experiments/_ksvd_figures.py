"""The table of K-SVD and SAEs: error, recovery, agreement and seconds."""

import matplotlib.pyplot as plt
from _over_l0 import asked

from mpsae import plots
from mpsae.intervals import interval

ORDER = ("ReLU", "TopK", "MP", "K-SVD", "K-SVD, OMP codes", "K-SVD online", "K-SVD online, codes >= 0")
COLUMNS = (
    ("l0", "L0"),
    ("fvu", "FVU"),
    ("mcc", "atoms found\n(matched |cosine|)"),
    ("stability", "agreement\nwith seed 0"),
    ("dead_frac", "dead"),
)


def table(results, name):
    """Every SAE on one source; a column without values is left out."""
    rows = [row for row in results.rows if row["data"] == name and row["at"] == {}]
    columns = [
        column
        for column in COLUMNS
        if any(row["metric"] == column[0] and row["value"] is not None for row in rows)
    ]
    labels = plots.labels_of(rows, ORDER)
    cells = []
    for label in labels:
        mine = [row for row in rows if row["label"] == label]
        spent = {row["run"]: row["seconds"] for row in mine}
        found = [[row["value"] for row in mine if row["metric"] == metric] for metric, _ in columns]
        cells.append([*(_span(values, ".3f") for values in found), _span(spent.values(), ".1f")])
    figure, axes = plt.subplots(figsize=(12, 0.27 * len(labels) + 1.2))
    plots.table(axes, cells, labels, [*(title for _, title in columns), "seconds\nof training"])
    wanted = max(asked(row) or 0 for row in rows)
    plots.caption(
        figure, f"{name}: K-SVD and SAEs of as many atoms, asked for L0 {wanted:g}. All but seconds on held-out rows: "
        f"ReLU's L0 is steered on those it is trained on. Median of {plots.seeds(rows)} seeds [95 % bootstrap "
        "interval]. Seconds: training without compiling, per member of a stack of all seeds; they depend on what else "
        "the machine did.",
    )  # fmt: skip
    return figure


def _span(values, form):
    span = interval(values)
    return f"{span.value:{form}} [{span.low:{form}}, {span.high:{form}}]" if span.n else "-"
