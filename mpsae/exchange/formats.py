"""The formats that SAEs are exchanged in, by name."""

from pathlib import Path

from mpsae.exchange import dictionary_learning, gemma_scope, mnist_mp, openai, overcomplete, saelens, sparsify
from mpsae.exchange.foreign import Foreign, Format
from mpsae.exchange.settings import Settings
from mpsae.registry import nearest, pick

FORMATS: dict[str, Format] = {
    "dictionary_learning": dictionary_learning.FORMAT,
    "gemma_scope": gemma_scope.FORMAT,
    "gemma_scope_2": gemma_scope.FORMAT_2,
    "mnist_mp": mnist_mp.FORMAT,
    "openai": openai.FORMAT,
    "overcomplete": overcomplete.FORMAT,
    "saelens": saelens.FORMAT,
    "sparsify": sparsify.FORMAT,
}


def find(name: str) -> Format:
    """The format of this name. Raises ValueError with the nearest spelling."""
    return pick(FORMATS, name, "format")


def marked(path: Path) -> list[str]:
    """The names of the formats whose own file is in this folder; none of a file."""
    return [name for name, form in FORMATS.items() if form.mark and (path / form.mark).is_file()]


def recognise(path: Path) -> str:
    """The name of the format of a folder, by a file that only this format has.

    Raises ValueError for a folder that has none or several, and for a file, which does not say what it is.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such folder or file")
    found = marked(path)
    if len(found) == 1:
        return found[0]
    if path.is_dir():
        marks = ", ".join(form.mark for form in FORMATS.values() if form.mark)
        raise ValueError(f"{path}: must hold one of {marks}, and only one")
    loose = " or ".join(name for name, form in FORMATS.items() if form.mark is None)
    raise ValueError(f"{path}: a file does not say what it is, give --format {loose}")


def read(path: Path, name: str, given: Settings) -> Foreign:
    """The SAE at `path` in the format `name`, its hyperparameters checked against its sizes."""
    form = find(name)
    check_given(name, given, form.to_read)
    if path.is_dir() != (form.mark is not None):
        raise ValueError(f"{path}: {name} is {'a folder' if form.mark else 'a file, a state dict'}")
    foreign = form.read(path, given)
    width, dim = foreign.params["atoms"].shape
    try:
        foreign.sae.validate(dim, width)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return foreign


def check_given(name: str, given: Settings, known: tuple[str, ...]) -> None:
    """Refuse what is given and means nothing in this format, by ValueError."""
    for word in given.values.keys() - set(known):
        takes = ", ".join(known) or "nothing"
        raise ValueError(f"--given {word}: {name} takes {takes}{nearest(word, known)}")
