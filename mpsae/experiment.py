"""An experiment as data: a question, a grid per scale, claims with numbers, figures from rows."""

import dataclasses
import importlib.util
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpsae.claim import Claim, Compare
from mpsae.scales import SCALES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mpsae.config import Run
    from mpsae.oracle import Bound
    from mpsae.source import SourceConfig

TRIALS = "trials"  # below the folder of the rows: what the learning rates were chosen on


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """What `mpsae run NAME` does, `mpsae figures NAME` draws and `mpsae verdict NAME` judges.

    `runs(scale)` is the grid; `bounds(runs)` are dictionaries no SAE was trained for (see `oracle`) that are
    scored on every world of the grid, or on those of world seeds below `bound_seeds`;
    `figures(results)` draws from stored rows alone;
    `notes(scale)` says what the grid leaves out here. `on(source, scale)` is the grid on
    other data, of an experiment that can be asked for it. With `rates` every contender first tries
    these learning rates (see `tuning`), in the folder `trials` beside the rows.
    """

    name: str
    question: str
    cost: dict[str, str]
    runs: Callable[[str], list["Run"]]
    claims: tuple[Claim | Compare, ...]
    figures: Callable[["Results"], dict[str, "Figure"]]
    bounds: Callable[[list["Run"]], Sequence["Bound"]] = lambda runs: ()
    bound_seeds: int | None = None
    notes: Callable[[str], list[str]] = lambda scale: []
    on: Callable[["SourceConfig", str], list["Run"]] | None = None
    rates: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Results:
    """The rows of one experiment at one scale, and the folder their matrices are in."""

    experiment: str
    scale: str
    folder: Path
    rows: list[dict[str, Any]]

    @property
    def trials(self) -> list[dict[str, Any]]:
        """The rows that learning rates were chosen on."""
        from mpsae.rows import load, tidy

        return tidy(load(self.folder / TRIALS))

    def matrix(self, row: dict[str, Any]) -> Any:
        """The array a row points to. Raises ValueError when it is missing or changed."""
        from mpsae.rows import read_array

        return read_array(self.folder, row["array"])


def places() -> list[Path]:
    """Folders experiments are looked for in: here, then the checkout the package lies in."""
    return [Path.cwd() / "experiments", Path(__file__).resolve().parents[1] / "experiments"]


def known() -> dict[str, Path]:
    """Every experiment by name and the file that defines it."""
    found: dict[str, Path] = {}
    for folder in places():
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                found.setdefault(path.stem, path)
    return found


def find(name: str) -> Experiment:
    """The experiment of this name, or of this .py file.

    Raises ValueError with the nearest name, and for a file that cannot be loaded, naming its line.
    """
    from mpsae.registry import pick

    path = Path(name) if name.endswith(".py") else pick(known(), name, "experiment")
    if not path.is_file():
        raise ValueError(f"no experiment file {path}")
    module_name = f"mpsae_experiment_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None  # a .py path always has a loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    if str(path.parent.resolve()) not in sys.path:  # as for a script: files beside it can be imported
        sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[module_name]
        raise ValueError(_sentence(path, error)) from error
    experiment = getattr(module, "EXPERIMENT", None)
    if not isinstance(experiment, Experiment):
        raise ValueError(f"{path} defines no EXPERIMENT of type mpsae.experiment.Experiment")
    return experiment


def _sentence(path: Path, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path.absolute()]
    where = f"{path}, line {lines[-1]}" if lines else f"{path}"
    return f"{where}: cannot be loaded, {type(error).__name__}: {error}"


def beside(runs: list["Run"], name: str) -> list["Run"]:
    """The runs that put one more SAE on an experiment's axes: on the same data, steps and seeds.

    `name` is a variant or preset id, with fields as "topk:k=3,lr=..." where the defaults do not fit;
    its label is that text. The cells are those of the experiment's first contender.
    """
    from mpsae.config import with_fields
    from mpsae.sae import find as find_sae
    from mpsae.sae import presets

    sae_id, _, fields = name.partition(":")
    known_presets = presets()
    sae = known_presets[sae_id] if sae_id in known_presets else find_sae(sae_id)()
    if fields:
        sae = with_fields(sae, dict(field.partition("=")[::2] for field in fields.split(",")))
    return [dataclasses.replace(run, sae=sae, label=name) for run in runs if run.label == runs[0].label]


def results(name: str, scale: str | None, root: Path) -> Results:
    """The stored results of an experiment; without a scale, of the largest one that has rows.

    Raises ValueError where there are none, for damaged rows, and for two data under one name.
    """
    from mpsae.rows import load, tidy
    from mpsae.run_data import refuse_mixed_data

    for one in [scale] if scale else reversed(SCALES):
        folder = root / name / one
        if list(folder.glob("rows*.jsonl")):
            table = load(folder)
            refuse_mixed_data(table.groups, f"{name} at scale {one}")
            return Results(name, one, folder, tidy(table))
    where = f"{root / name / scale}" if scale else f"{root / name}"
    raise ValueError(f"no results in {where}: run `mpsae run {name} --scale {scale or 'quick'}` first")
