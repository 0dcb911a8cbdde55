"""The worlds of the dials experiment: one first cell, and what is turned from there."""

from _over_l0 import asked

from mpsae.sources.dial import Dial

K = 6  # just above the true L0, 5.44: enough atoms on average, too few for half of the rows
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
    return lambda row: row["label"] == label and row["at"] == {} and asked(row) in (None, K) and here(row)
