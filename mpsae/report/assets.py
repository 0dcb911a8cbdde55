"""A page from its parts: template, style, scripts, data, and the policy that lets nothing else run."""

import base64
import gzip
import hashlib
import json
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

FRAME = ("mpsae.report", "frame.html")  # head and header of every page


def text(package: str, name: str) -> str:
    """A file of a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def as_json(value: Any) -> Markup:
    """JSON that cannot end the element it is in."""
    return Markup(json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"))


def packed(value: Any) -> str:
    """JSON in gzip in base64, a third of the bytes; `DecompressionStream` reads it in a page."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def render(package: str, values: dict[str, Any], *, style: str, scripts: list[str], files: str = "") -> str:
    """`page.html` of a package in the frame; the first of the scripts runs before anything is drawn.

    `files` says which script files may be loaded besides, as in the policy's `script-src`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: text(*FRAME) if name == FRAME[1] else text(package, name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    parts = {
        "style": Markup(style),
        "scripts": [Markup(one) for one in scripts],
        "policy": _policy(style, scripts, files),
    }
    return environment.get_template("page.html").render(values | parts)


def _policy(style, scripts, files):
    """This style, these scripts, images within the page and nothing else."""
    allowed = " ".join([*map(_hash, scripts), *files.split()])
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)};"
        f" script-src {allowed}; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
