"""Classes with what lies above them: labels that a graph of is-a pairs is added to."""

import numpy as np

from mpsae.class_graph import ancestors, distances, read_pairs
from mpsae.labels import Labels

CLASS = "class"  # the factor that a class graph is about


def read_levels(text: str, where: str) -> tuple[int, ...]:
    """The depths in "4/6/8"; ValueError where they are no rising whole numbers above 0. "" is none."""
    parts = [part.strip() for part in text.split("/")] if text.strip() else []
    depths = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 10]
    if len(depths) < len(parts) or depths != sorted(set(depths) - {0}):
        raise ValueError(f"{where} = {text!r}: must be rising whole numbers above 0, as 4/6/8")
    return tuple(depths)


def with_graph(labels: Labels, file: str, *, path: str, levels: tuple[int, ...]) -> Labels:
    """The labels with the path between the classes of `class`, and a coarser factor for each of the levels.

    `class_6` is the node six edges below the root, along last parents, at or above the class; not known of
    classes that lie higher. Raises ValueError, with the file, as `mpsae.class_graph`, and where a factor is
    called so or `class` belongs to a coarser one already.
    """
    pairs, names = read_pairs(file), labels.names(CLASS)
    try:
        between = distances(pairs, names, path=path)
        above = {depth: ancestors(pairs, names, depth) for depth in levels}
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    if levels and CLASS in dict(labels.parent):
        raise ValueError(
            f"{file}: class_levels: {CLASS!r} belongs to {dict(labels.parent)[CLASS]!r} already, another tree"
        )
    of, classes, parent = dict(labels.of), dict(labels.classes), dict(labels.parent)
    finer = CLASS
    for depth, nodes in sorted(above.items(), reverse=True):
        factor, known = f"{CLASS}_{depth}", sorted({node for node in nodes if node is not None})
        if factor in of:
            raise ValueError(f"{file}: class_levels = {depth}: there is a factor {factor!r} already")
        if not known:
            raise ValueError(f"{file}: class_levels = {depth}: no class lies {depth} edges below the root")
        place = {None: -1} | {node: number for number, node in enumerate(known)}
        number = np.array([*(place[node] for node in nodes), -1], np.int32)  # the last for unknown classes
        of[factor], classes[factor] = number[np.asarray(of[CLASS])], tuple(known)
        parent[finer], finer = factor, factor
    return labels.replace(
        of=of,
        classes=tuple(sorted(classes.items())),
        parent=tuple(sorted(parent.items())),
        between={CLASS: between.astype(np.float32)},
    )
