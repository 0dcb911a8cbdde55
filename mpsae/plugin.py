"""Loads the variants of a user's Python file, as a module of its own."""

import hashlib
import importlib.machinery
import importlib.util
import re
import sys
import traceback
from pathlib import Path
from types import CodeType

from mpsae import sae as contract
from mpsae.sae import REGISTRY, SAE, known


def load(path: Path | str) -> list[type[SAE]]:
    """The variants that the file at `path` defines, registered under their ids.

    The file becomes a module named after its stem and a digest of its path, so `relu.py` or
    `jax.py` shadows nothing; loading it again replaces what it defined before. A file that
    cannot be loaded leaves the registry as it was. Raises ValueError, one sentence naming the
    file and where possible the line.
    """
    place = Path(path).resolve()
    if place.suffix != ".py":
        raise ValueError(f"{path}: a plug-in is a Python file, its name must end in .py")
    if not place.is_file():
        raise ValueError(f"{path}: no such file")
    known()  # the package's own ids come first, so a clash is found here and not in a later import
    name = re.sub(r"\W", "_", place.stem) + "_" + hashlib.sha256(str(place).encode()).hexdigest()[:8]
    before, module_before = dict(REGISTRY), sys.modules.get(name)
    _only_others(name)
    loader = _Source(name, str(place))
    spec = importlib.util.spec_from_file_location(name, place, loader=loader)
    assert spec is not None  # a loader was given
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses look their module up by name
    try:
        loader.exec_module(module)
        found = [cls for cls in REGISTRY.values() if cls.__module__ == name]
        if not found:
            raise ValueError(f"{path}: defines no variant; write a class that inherits from mpsae.sae.SAE")
    except (Exception, SystemExit) as error:
        REGISTRY.clear()
        REGISTRY.update(before)
        sys.modules.pop(name)
        if module_before is not None:
            sys.modules[name] = module_before
        raise ValueError(_sentence(path, place, error)) from error
    return found


class _Source(importlib.machinery.SourceFileLoader):
    """Compiles the file as it is now; a .pyc of the same second could be an older version of it."""

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def _only_others(module: str) -> None:
    for name in [name for name, cls in REGISTRY.items() if cls.__module__ == module]:
        del REGISTRY[name]


def _sentence(path: Path | str, place: Path, error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(place)]
    where = f"{path}, line {lines[-1]}" if lines else f"{path}"
    text = " ".join(str(error).split()) or "without a message"
    if isinstance(error, SyntaxError) and error.filename == str(place):
        return f"{path}, line {error.lineno}: syntax error, {error.msg}"
    if isinstance(error, SystemExit):
        return f"{where}: ends the program at import; a plug-in only defines classes"
    if isinstance(error, ImportError):
        return f"{where}: import failed, {text}"
    if not lines and isinstance(error, ValueError):
        return text if text.startswith(str(path)) else f"{path}: cannot be read as Python, {text}"
    if isinstance(error, ValueError) and frames[-1].filename == contract.__file__:
        return f"{where}: {text}"
    return f"{where}: {type(error).__name__} at import, {text}"
