"""`mpsae score FOLDER`: a saved SAE on the held-out rows it was made for, or on other rows."""

from pathlib import Path
from typing import Any

from mpsae.verbs.arguments import Arguments
from mpsae.verbs.opened import load_sae, same, trained_on

HEADLINE = (
    "ev",
    "fvu",
    "l0",
    "dead_frac",
    "mcc_signed",
    "f1_hungarian",
    "flat_mse",
    "hier_mse",
    "absorb_cos",
    "energy_bimodal",
    "gap_xhat",
    "retrieval_xhat",
    "retrieval_code",
)
AT: tuple[dict[str, Any], ...] = ({}, {"k": 1, "to": "text"})  # points of the curves


def main(argv: list[str]) -> int:
    """Print the headline scores, or with --all every metric."""
    parser = Arguments(prog="mpsae score", description="Score a saved SAE.")
    parser.add_argument(
        "plugins", nargs="*", metavar="PLUGIN.py", help="files that define variants of your own"
    )
    parser.add_argument(
        "folder",
        type=Path,
        help="a folder with sae.json, as `mpsae train` or `mpsae import` prints it, or one of another library",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="score on every row of this .npy/.npz/.safetensors, or on this folder of `mpsae embed`, instead",
    )
    parser.add_argument(
        "--mesh", default="", metavar="batch=N", help="divide the rows over N devices; by default on one"
    )
    parser.add_argument("--all", action="store_true", help="every metric, not only the headline")
    chosen = parser.parse_args(argv)

    from mpsae import mesh

    mesh.start()
    from mpsae.plugin import load
    from mpsae.score import score

    for path in chosen.plugins:
        load(path)
    sae, params, record = load_sae(chosen.folder)
    source = _source(record, chosen)
    dim = params["atoms"].shape[1]
    if source.dim != dim:
        raise ValueError(f"{chosen.folder} takes rows of {dim} values, the data has {source.dim}")
    scores = score(sae, params, source, devices=_devices(chosen.mesh))
    rows = [
        {"metric": name, "value": value.value, "note": value.note, "at": value.at, "label": sae.name}
        for name, value in scores.rows
    ]
    print(summary(rows, everything=chosen.all))
    return 0


def summary(rows: list[dict[str, Any]], *, everything: bool = False) -> str:
    """A line per metric: recovery beside reconstruction, null with its reason.

    The headline leaves out what this kind of data cannot have.
    """
    from mpsae.metrics.base import ABSENT

    shown = [
        row
        for row in rows
        if everything
        or (row["metric"] in HEADLINE and row["at"] in AT and row["note"] not in ABSENT.values())
    ]
    lines = []
    for row in shown:
        if row.get("array"):
            continue
        value = "-" if row["value"] is None else f"{row['value']:.4g}"
        place = "".join(
            f" {key}={point if isinstance(point, str) else f'{point:g}'}" for key, point in row["at"].items()
        )
        note = f"  ({row['note']})" if row["value"] is None and row["note"] else ""
        lines.append(f"{row['label']:<12} {row['metric'] + place:<28} {value}{note}")
    return "\n".join(lines)


def _devices(text: str) -> Any:
    import jax

    from mpsae.layout import Layout
    from mpsae.mesh import row_mesh

    layout, there = Layout.parse(text or "batch=1"), jax.local_device_count()
    if layout.devices != layout.batch or layout.batch > there:
        raise ValueError(f"--mesh {text}: scores are divided by rows alone, as batch=N of {there} devices")
    return row_mesh(layout.batch) if text else None


def _source(record: dict[str, Any], chosen: Any) -> Any:
    from mpsae.heldout import Everything
    from mpsae.sources.arrays import Arrays

    if chosen.data is not None and chosen.data.is_dir():
        return _embeddings(chosen.data)
    if chosen.data is not None:
        return Everything(Arrays(path=str(chosen.data)).read())
    config, world = trained_on(record, chosen.folder)
    return same(config.build(world), record, chosen.folder)


def _embeddings(folder: Path) -> Any:
    """The pairs of an embedding folder, or all of its rows where it has no pairs: as they are, read block by block."""
    from mpsae.heldout import Everything
    from mpsae.sources.embeddings import pairs_of
    from mpsae.store import Rows, read
    from mpsae.stored_rows import StoredRows

    store = read(folder)
    if len(store.pairs):
        return pairs_of(store, held_out=0.0, centring="none", norm="keep", where=str(folder), rows="disk")
    return Everything(StoredRows(Rows([part for rows in store.rows.values() for part in rows.parts]), "keep"))
