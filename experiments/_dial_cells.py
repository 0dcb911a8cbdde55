"""The worlds of the dials experiment: one first cell, and what is turned from there."""

from mpsae.sources.dial import Dial

K = 5  # the true L0 is 5.44
WIDTH = 320  # of every SAE: as many atoms as features
DIMS = (320, 107, 64, 40)  # superposition 1, 3, 5, 8
CORRELATIONS = (0.0, 0.3, 0.6, 0.9)
KAPPAS = (0.0, 1 / 24, 1 / 12, 1 / 6)  # 1/6 is the paper's
ANGLES = (0.0, 0.25, 0.5, 0.75)
NOISES = (0.0, 0.01, 0.1)
SHARED = (0.0, 1 / 12, 1 / 6)  # at kappa 0: variance that parent and child have in common
HIERARCHIES = (0.0, 0.5, 1.0)
LINKS = ("off", "aligned", "shuffled")
FIRST = Dial(held_out=10_000)
NAMES = tuple(name for name in vars(FIRST) if name != "held_out")


def world(**dials):
    """The first cell with these dials turned."""
    return Dial(**(vars(FIRST) | dials))


def on(**dials):
    """Whether a row is of the world with these dials turned, all others as in the first cell."""
    wanted = vars(world(**dials))
    return lambda row: (
        row["source"]["name"] == "dial" and all(row["source"][name] == wanted[name] for name in NAMES)
    )


def at(label, **dials):
    """Pooled rows of one SAE asked for L0 `K` on the world with these dials."""
    here = on(**dials)
    return lambda row: (
        row["label"] == label and row["at"] == {} and row["fields"].get("target_l0", 0) in (0, K)
        and row["fields"].get("k", K) == K and here(row)
    )  # fmt: skip
