"""The published torchvision wheel beside a CPU build of torch."""

import sys

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_kept: list = []  # definitions last as long as the library object that made them


def importable() -> None:
    """Make `import torchvision` work where only its compiled operators are missing.

    That wheel is linked to CUDA. Beside a CPU torch its extension does not load, and importing it
    stops at two operators whose schemas nobody declared; here they are declared. Nothing that
    CLIP or an SAE library runs calls them. Another failure is raised as it is.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error) or _kept:
            raise
    else:
        return
    import torch

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in SCHEMAS:
        library.define(schema)
    _kept.append(library)
    import torchvision  # noqa: F401
