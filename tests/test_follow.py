"""A process that does not lead ends as the leading one does, and refuses to train on other data."""

import signal

import pytest
from sweeping import run

from mpsae import hosts, stop
from mpsae.follow import follow
from mpsae.sweep import jobs_of

END = {"do": "end", "signal": None, "because": ""}


def told(monkeypatch, *messages):
    coming = iter(messages)
    monkeypatch.setattr(hosts, "told", lambda: next(coming))


def test_it_ends_as_the_leading_one_does(monkeypatch):
    told(monkeypatch, END)
    assert follow(None) == 0
    told(monkeypatch, END | {"because": "no such world"})
    with pytest.raises(ValueError, match="the first process ended: no such world"):
        follow(None)
    told(monkeypatch, END | {"signal": signal.SIGTERM, "because": "stopped"})
    with pytest.raises(stop.Stop) as raised:
        follow(None)
    assert raised.value.number == signal.SIGTERM


def test_it_trains_what_it_is_told_and_nothing_on_other_data(monkeypatch):
    (job,) = jobs_of([run()], {})
    message = {"do": "fit", "runs": [job.run.to_json()], "ids": [job.id]}
    trained = []
    monkeypatch.setattr(
        "mpsae.follow.train", lambda jobs, **options: trained.append([one.id for one in jobs])
    )
    told(monkeypatch, message, message, END)
    assert follow(None) == 0 and trained == [[job.id]] * 2
    told(monkeypatch, message | {"ids": ["another"]}, END)
    with pytest.raises(ValueError, match="tree20: holds other data than that of the first process"):
        follow(None)
    assert len(trained) == 2
