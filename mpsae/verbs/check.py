"""`mpsae check`: whether variants, the package's or those of a file, keep the contract."""

import os
import time
from typing import TYPE_CHECKING

from mpsae.verbs.arguments import Arguments

if TYPE_CHECKING:
    from mpsae.sae import SAE


def main(argv: list[str]) -> int:
    """One line per check. 0 if all pass, 1 if one fails. Bad input is a ValueError."""
    parser = Arguments(
        prog="mpsae check", description="Check SAE variants against the contract every variant keeps."
    )
    parser.add_argument(
        "target", nargs="+", metavar="FILE_OR_ID", help="a .py file that defines variants, or a variant's id"
    )
    parser.add_argument("--quick", action="store_true", help="leave out the slow checks, training among them")
    args = parser.parse_args(argv)

    from mpsae import mesh

    mesh.start()
    variants = [cls for target in args.target for cls in _variants(target)]
    passed = [_report(cls, args.quick) for cls in variants]
    return 0 if all(passed) else 1


def _variants(target: str) -> list[type["SAE"]]:
    from mpsae.plugin import load
    from mpsae.sae import find

    return load(target) if target.endswith(".py") or os.sep in target else [find(target)]


def _report(cls: type["SAE"], quick: bool) -> bool:
    from mpsae.testing import findings

    began, made, good = time.monotonic(), 0, 0
    print(f"{cls.name} ({cls.__module__})")
    for finding in findings(cls, quick=quick):
        made, good = made + 1, good + finding.ok
        line = f"ok   {finding.check}" if finding.ok else f"FAIL {finding.check}: {finding.problem}"
        print(line, flush=True)
    print(f"{cls.name}: {good} of {made} checks passed in {time.monotonic() - began:.1f} s", flush=True)
    return good == made
