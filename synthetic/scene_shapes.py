"""What each kind of thing looks like: painted shapes on the unit square, y pointing down.

A part is (paint, shape, numbers): ellipse (centre x, y, radius x, y), rectangle (left, top, right,
bottom), polygon (x, y, x, y, ...). Later parts cover earlier ones. "body" takes the scene's colour
and texture, "none" cuts a hole. What siblings share is written once: animals have the same eyes
and dark legs, plants a green stem with two leaves, vehicles two wheels, buildings a door.
"""

import math

PAINTS = ("none", "body", "ink", "white", "green", "gold")
# Around the whole thing, so that a domain can be seen as well; living things have none.
OUTLINES = {"living": "none", "made": "ink", "abstract": "white"}

Part = tuple[str, str, tuple[float, ...]]


def ellipse(paint: str, x: float, y: float, across: float, down: float) -> Part:
    return (paint, "ellipse", (x, y, across, down))


def rectangle(paint: str, left: float, top: float, right: float, bottom: float) -> Part:
    return (paint, "rectangle", (left, top, right, bottom))


def polygon(paint: str, *points: float) -> Part:
    return (paint, "polygon", points)


def line(paint: str, x: float, y: float, to_x: float, to_y: float, width: float) -> Part:
    """A straight stroke of that width, ends square."""
    length = math.hypot(to_x - x, to_y - y)
    a, b = -(to_y - y) / length * width / 2, (to_x - x) / length * width / 2
    return polygon(paint, x + a, y + b, to_x + a, to_y + b, to_x - a, to_y - b, x - a, y - b)


def eyes(x: float, y: float) -> list[Part]:
    whites = [ellipse("white", x + side * 0.09, y, 0.085, 0.1) for side in (-1, 1)]
    return whites + [ellipse("ink", x + side * 0.08, y + 0.02, 0.042, 0.055) for side in (-1, 1)]


def legs(*places: float, top: float = 0.78) -> list[Part]:
    return [rectangle("ink", x - 0.035, top, x + 0.035, 1.0) for x in places]


def stem(top: float) -> list[Part]:
    leaves = [polygon("green", 0.5, 1.0, 0.5 + side * 0.4, 0.74, 0.5 + side * 0.36, 0.98) for side in (-1, 1)]
    return [rectangle("green", 0.455, top, 0.545, 1.0), *leaves]


def wheels() -> list[Part]:
    return [
        ellipse(paint, x, 0.82, radius, radius)
        for x in (0.26, 0.74)
        for paint, radius in (("ink", 0.17), ("white", 0.07))
    ]


def door(x: float = 0.5) -> list[Part]:
    return [rectangle("ink", x - 0.09, 0.72, x + 0.09, 1.0)]


def window(x: float, y: float) -> list[Part]:
    return [
        rectangle("ink", x - 0.085, y - 0.085, x + 0.085, y + 0.085),
        rectangle("gold", x - 0.06, y - 0.06, x + 0.06, y + 0.06),
    ]


def corners(points: tuple[float, ...]) -> list[Part]:
    """A polygon whose corners are marked."""
    pairs = zip(points[::2], points[1::2], strict=True)
    return [polygon("body", *points), *(ellipse("ink", x, y, 0.065, 0.065) for x, y in pairs)]


def regular(sides: int, turn: float, radii: tuple[float, ...] = (0.45,)) -> tuple[float, ...]:
    """Corners around (.5, .5), the first `turn` right angles clockwise from the right; radii take turns."""
    angles = [math.pi * (turn / 2 + 2 * i / sides) for i in range(sides)]
    return tuple(
        0.5 + radii[i % len(radii)] * part
        for i, angle in enumerate(angles)
        for part in (math.cos(angle), math.sin(angle))
    )


KINDS: dict[str, list[Part]] = {
    "cat": [
        *legs(0.33, 0.45, 0.57, 0.69),
        line("body", 0.78, 0.8, 0.95, 0.4, 0.09),
        ellipse("body", 0.52, 0.7, 0.3, 0.18),
        polygon("body", 0.2, 0.35, 0.2, 0.0, 0.46, 0.16),
        polygon("body", 0.8, 0.35, 0.8, 0.0, 0.54, 0.16),
        ellipse("body", 0.5, 0.36, 0.31, 0.25),
        *eyes(0.5, 0.33),
        polygon("ink", 0.45, 0.48, 0.55, 0.48, 0.5, 0.55),
    ],
    "bird": [
        *legs(0.45, 0.57),
        polygon("body", 0.7, 0.5, 1.0, 0.3, 0.98, 0.62, 0.75, 0.75),
        ellipse("body", 0.53, 0.6, 0.3, 0.24),
        polygon("gold", 0.2, 0.2, 0.0, 0.33, 0.2, 0.4),
        ellipse("body", 0.36, 0.28, 0.23, 0.2),
        *eyes(0.36, 0.24),
        polygon("ink", 0.42, 0.52, 0.74, 0.5, 0.6, 0.72),
    ],
    "ant": [
        *legs(0.4, 0.49, 0.58, 0.67, top=0.6),
        line("ink", 0.2, 0.3, 0.06, 0.04, 0.05),
        line("ink", 0.26, 0.3, 0.36, 0.04, 0.05),
        ellipse("body", 0.22, 0.42, 0.2, 0.18),
        ellipse("body", 0.52, 0.56, 0.14, 0.11),
        ellipse("body", 0.8, 0.56, 0.19, 0.2),
        *eyes(0.22, 0.4),
    ],
    "caterpillar": [
        *legs(0.4, 0.55, 0.7, 0.86, top=0.82),
        ellipse("body", 0.87, 0.76, 0.12, 0.14),
        ellipse("body", 0.71, 0.68, 0.14, 0.17),
        ellipse("body", 0.54, 0.66, 0.14, 0.18),
        ellipse("body", 0.38, 0.68, 0.15, 0.18),
        ellipse("body", 0.22, 0.55, 0.21, 0.2),
        *eyes(0.22, 0.52),
    ],
    "pine": [
        *stem(0.6),
        polygon("body", 0.5, 0.34, 0.88, 0.74, 0.12, 0.74),
        polygon("body", 0.5, 0.16, 0.8, 0.5, 0.2, 0.5),
        polygon("body", 0.5, 0.0, 0.7, 0.26, 0.3, 0.26),
    ],
    "flower": [
        *stem(0.4),
        *(
            ellipse("body", 0.5 + 0.2 * math.cos(turn), 0.32 + 0.2 * math.sin(turn), 0.14, 0.14)
            for turn in (math.tau * i / 6 for i in range(6))
        ),
        ellipse("gold", 0.5, 0.32, 0.12, 0.12),
    ],
    "cactus": [
        *stem(0.6),
        rectangle("body", 0.38, 0.08, 0.62, 0.88),
        ellipse("body", 0.5, 0.09, 0.12, 0.09),
        rectangle("body", 0.1, 0.46, 0.4, 0.6),
        rectangle("body", 0.1, 0.24, 0.24, 0.6),
        rectangle("body", 0.6, 0.36, 0.9, 0.5),
        rectangle("body", 0.76, 0.14, 0.9, 0.5),
    ],
    "bush": [
        *stem(0.7),
        ellipse("body", 0.24, 0.52, 0.24, 0.22),
        ellipse("body", 0.76, 0.52, 0.24, 0.22),
        ellipse("body", 0.5, 0.4, 0.28, 0.26),
        ellipse("body", 0.5, 0.6, 0.36, 0.18),
    ],
    "car": [
        polygon("body", 0.18, 0.52, 0.32, 0.24, 0.7, 0.24, 0.86, 0.52),
        rectangle("body", 0.02, 0.5, 0.98, 0.8),
        polygon("white", 0.28, 0.5, 0.37, 0.31, 0.48, 0.31, 0.48, 0.5),
        polygon("white", 0.54, 0.5, 0.54, 0.31, 0.66, 0.31, 0.75, 0.5),
        *wheels(),
    ],
    "cart": [
        line("ink", 0.7, 0.6, 1.0, 0.1, 0.07),
        polygon("body", 0.02, 0.38, 0.9, 0.38, 0.78, 0.78, 0.14, 0.78),
        *wheels(),
    ],
    "bus": [
        rectangle("body", 0.02, 0.1, 0.98, 0.82),
        *(rectangle("white", x, 0.2, x + 0.16, 0.44) for x in (0.09, 0.31, 0.53, 0.75)),
        *wheels(),
    ],
    "train": [
        rectangle("body", 0.04, 0.44, 0.66, 0.8),
        rectangle("body", 0.62, 0.14, 0.97, 0.8),
        rectangle("ink", 0.58, 0.06, 1.0, 0.15),
        rectangle("white", 0.71, 0.23, 0.88, 0.42),
        rectangle("ink", 0.14, 0.16, 0.3, 0.44),
        rectangle("ink", 0.09, 0.1, 0.35, 0.18),
        *wheels(),
    ],
    "house": [
        rectangle("body", 0.14, 0.44, 0.86, 1.0),
        polygon("ink", 0.02, 0.46, 0.5, 0.04, 0.98, 0.46),
        *window(0.28, 0.6),
        *window(0.72, 0.6),
        *door(),
    ],
    "lighthouse": [
        polygon("body", 0.38, 0.24, 0.62, 0.24, 0.76, 1.0, 0.24, 1.0),
        polygon("gold", 0.38, 0.16, 0.02, 0.06, 0.02, 0.28),
        polygon("gold", 0.62, 0.16, 0.98, 0.06, 0.98, 0.28),
        rectangle("gold", 0.38, 0.1, 0.62, 0.24),
        polygon("ink", 0.32, 0.11, 0.5, 0.0, 0.68, 0.11),
        *window(0.5, 0.46),
        *door(),
    ],
    "castle": [
        rectangle("body", 0.04, 0.44, 0.96, 1.0),
        rectangle("body", 0.04, 0.16, 0.32, 1.0),
        rectangle("body", 0.68, 0.16, 0.96, 1.0),
        *(rectangle("body", x, 0.06, x + 0.09, 0.2) for x in (0.04, 0.23, 0.68, 0.87)),
        *(rectangle("body", x, 0.34, x + 0.09, 0.48) for x in (0.38, 0.53)),
        *window(0.18, 0.42),
        *window(0.82, 0.42),
        *door(),
    ],
    "mill": [
        polygon("body", 0.36, 0.36, 0.64, 0.36, 0.78, 1.0, 0.22, 1.0),
        line("ink", 0.12, 0.02, 0.88, 0.66, 0.1),
        line("ink", 0.88, 0.02, 0.12, 0.66, 0.1),
        ellipse("gold", 0.5, 0.34, 0.07, 0.07),
        *window(0.5, 0.58),
        *door(),
    ],
    "triangle": corners((0.5, 0.08, 0.95, 0.9, 0.05, 0.9)),
    "square": corners((0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9)),
    "hexagon": corners(regular(6, 0.0)),
    "star": corners(regular(10, -1.0, (0.48, 0.2))),
    "circle": [ellipse("body", 0.5, 0.5, 0.46, 0.46)],
    "ring": [ellipse("body", 0.5, 0.5, 0.46, 0.46), ellipse("none", 0.5, 0.5, 0.23, 0.23)],
    "crescent": [ellipse("body", 0.5, 0.5, 0.46, 0.46), ellipse("none", 0.72, 0.4, 0.4, 0.4)],
    "heart": [
        ellipse("body", 0.28, 0.32, 0.25, 0.25),
        ellipse("body", 0.72, 0.32, 0.25, 0.25),
        polygon("body", 0.07, 0.46, 0.5, 0.3, 0.93, 0.46, 0.5, 0.96),
    ],
}
