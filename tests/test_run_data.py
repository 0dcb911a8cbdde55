"""Two data never go by one name; one data under several settings or seeds does."""

import pytest

from mpsae.rows import Group
from mpsae.run_data import data_title, fingerprint, refuse_mixed_data, world


def group(found, *, seed=0, data="scenes", **settings):
    source = {"name": "scenes", "fingerprint": found, **settings}
    run = {"run": found, "data": data, "source": source, "seed": {"world": seed}, "provenance": {}}
    return Group(run=run, values=[], end={})


def test_what_a_run_is_about():
    run = group("a" * 64, kappa=0.5, angle=1.0).run
    assert data_title(run) == "scenes" and fingerprint(run) == "a" * 12
    assert list(world(run).items()) == [("angle", 1.0), ("kappa", 0.5)]
    run |= {"data": None, "source": {"name": "tree"}, "provenance": {"data": {"fingerprint": "b" * 64}}}
    assert data_title(run) == "tree" and fingerprint(run) == "b" * 12
    assert fingerprint(run | {"provenance": {}}) == "unknown"


def test_two_data_under_one_name_are_refused():
    fine = [group("a"), group("a"), group("b", seed=1), group("c", kappa=0.5), group("d", data="mine")]
    refuse_mixed_data(fine, "here")
    with pytest.raises(ValueError, match="^here: scenes of world seed 0 has two fingerprints, a and e;"):
        refuse_mixed_data([*fine, group("e")], "here")
