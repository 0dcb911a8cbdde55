"""Training that was stopped goes on to the same bytes, and stops and saves when it is asked to."""

import signal

import jax.numpy as jnp
import numpy as np
import pytest
from test_train import Rows, SharedRows, same_bytes

from mpsae import checkpoint, keeper, stop, train
from mpsae.conformance.case import example
from mpsae.keeper import Keeper
from mpsae.layout import Layout
from mpsae.optim import Optim
from mpsae.sae import known
from mpsae.saes.topk import TopK
from mpsae.train import fit, member

WIDTH = 24
OPTIM = Optim(steps=7, batch=16, lr=1e-2, warmup=3.0)
SOON = {"dead_window": 2.0, "control_from": 0.0, "dropout_steps": 5.0}  # so that state matters in a few steps


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    """Chunks as short as they get, and a checkpoint after each, which stays."""
    monkeypatch.setattr(train, "CHUNK_SECONDS", 1e-9)
    monkeypatch.setattr(train, "CHUNK_STEPS", 1)
    monkeypatch.setattr(keeper, "SHARE", 1e9)
    monkeypatch.setattr(checkpoint, "KEPT", 100)


def trained(
    sae, folder, *, found=None, every=1e-9, optim=OPTIM, count=2, kind=Rows, width=WIDTH, layout=None
):
    """(what `fit` returned, the steps it reported); the second member diverges at once."""
    rates = [1e30 if i == 1 else 1e-2 for i in range(count)]
    members = [member(sae, optim.replace(lr=rate), data=i, init=i, dropout=i) for i, rate in enumerate(rates)]
    source, seen = kind(scale=jnp.float32(1)), []
    kept = Keeper(folder, count=count, every=every, found=found, about=dict)
    result = fit(members, [source] * count, width=width, keeper=kept, layout=layout,
                 report=lambda step, steps, log: seen.append(step))  # fmt: skip
    return result, seen


def at(folder, step):
    return checkpoint.read(folder / f"step-{step:012d}")


def same(one, two):
    same_bytes([t[:2] for t in one], [t[:2] for t in two])
    assert [t[2:] for t in one] == [t[2:] for t in two]


def differ(one, two):
    with pytest.raises(AssertionError):
        same(one, two)


@pytest.mark.parametrize("name", sorted(known()))
def test_every_variant_goes_on_to_the_same_bytes(name, tmp_path):
    sae = example(known()[name])
    sae = sae.replace(**{field: value for field, value in SOON.items() if hasattr(sae, field)})
    whole, seen = trained(sae, tmp_path / "whole")
    assert seen == [3, 6, 7]
    assert whole[0].diverged < 0 and (whole[1].diverged >= 0 or name == "ksvd")  # which has no rate
    for step, rest in ((3, [6, 7]), (6, [7]), (7, [])):
        folder = tmp_path / f"from {step}"
        again, seen = trained(sae, folder, found=at(tmp_path / "whole", step))
        same(again, whole)
        assert seen == rest  # of a finished one, no step at all
        for later in rest:  # the optimiser's state too
            same_bytes(at(folder, later).arrays, at(tmp_path / "whole", later).arrays)


@pytest.mark.parametrize("count", [1, 5])  # 5 members on 4 devices: the last is there 4 times
def test_a_stack_that_is_not_even_goes_on_from_its_first_step(count, tmp_path):
    optim = OPTIM.replace(steps=3)
    whole, seen = trained(TopK(k=2), tmp_path / "whole", optim=optim, count=count)
    assert seen == [1, 2, 3]
    assert {len(array) for array in at(tmp_path / "whole", 1).arrays.values()} == {count}
    again, seen = trained(
        TopK(k=2), tmp_path / "again", optim=optim, count=count, found=at(tmp_path / "whole", 1)
    )
    same(again, whole)
    assert seen == [2, 3]


def test_keeping_changes_nothing_and_shared_rows_go_on_too(tmp_path):
    whole, _ = trained(TopK(k=2), tmp_path / "whole", kind=SharedRows)
    alone, seen = trained(TopK(k=2), tmp_path / "never", kind=SharedRows, every=float("inf"))
    same(alone, whole)
    assert seen == [3, 6, 7] and not (tmp_path / "never").exists()
    again, seen = trained(TopK(k=2), tmp_path / "new", kind=SharedRows, found=at(tmp_path / "whole", 3))
    same(again, whole)
    assert seen == [6, 7]


def test_a_dictionary_over_several_devices_goes_on_to_the_same_bytes(tmp_path):
    """AuxK and its counters too; a stack of one in places for two is filled again."""
    sae, options = TopK(k=2, dead_window=2.0), {"count": 1, "width": 64, "layout": Layout(2, 1, 2)}
    whole, seen = trained(sae, tmp_path / "whole", **options)
    assert seen == [3, 6, 7]
    again, seen = trained(sae, tmp_path / "again", found=at(tmp_path / "whole", 3), **options)
    assert seen == [6, 7]
    same(again, whole)
    for step in (6, 7):
        same_bytes(at(tmp_path / "again", step).arrays, at(tmp_path / "whole", step).arrays)
    differ(trained(sae, tmp_path / "one", **options | {"layout": None})[0], whole)  # sums in another order


def test_what_is_found_is_what_training_goes_on_with(tmp_path, monkeypatch):
    """The tests above can fail: without what was kept, the rest of training ends elsewhere."""
    whole, _ = trained(TopK(k=2), tmp_path / "whole")
    found = at(tmp_path / "whole", 3)
    for path in found.arrays:
        other = dict(found.arrays)
        other[path] = other[path] + np.ones((), other[path].dtype)  # any one of them
        again, _ = trained(TopK(k=2), tmp_path / "other", found=found._replace(arrays=other))
        if "log" not in path:  # the last step overwrites it
            differ(again[:1], whole[:1])
    monkeypatch.setattr(Keeper, "restore", lambda self, fresh: (self.found.step, fresh))
    again, seen = trained(TopK(k=2), tmp_path / "fresh", found=found)
    assert seen == [6, 7]
    differ(again, whole)
    monkeypatch.setattr(Keeper, "restore", lambda self, fresh: (0, fresh))
    again, seen = trained(TopK(k=2), tmp_path / "nothing", found=found)
    assert seen == [3, 6, 7]  # equal bytes, but all the steps again
    same(again, whole)


@pytest.mark.parametrize("change", ["name", "shape", "dtype", "order"])
def test_the_state_of_other_code_is_refused(change, tmp_path):
    trained(TopK(k=2), tmp_path / "whole")
    found = at(tmp_path / "whole", 3)
    arrays = dict(found.arrays)
    atoms = arrays.pop(".params['atoms']")
    arrays |= {
        "name": {".params['atom']": atoms},
        "shape": {".params['atoms']": atoms[:, :-1]},
        "dtype": {".params['atoms']": atoms.astype(np.float64)},
        "order": {".params['atoms']": atoms},
    }[change]
    with pytest.raises(ValueError, match=r"whole/step-.*: holds the state of other code.*delete .*new") as no:
        trained(TopK(k=2), tmp_path / "new", found=found._replace(arrays=arrays))
    assert ("atoms" in str(no.value)) == (change != "order")


def test_one_is_written_when_it_is_time_and_costs_a_small_share(tmp_path, monkeypatch):
    now, written, costs = [0.0], [], [4.1, 0.1, 0.1, 0.1]

    def write(folder, step, arrays, about):
        now[0] += costs[len(written)]
        written.append(step)

    monkeypatch.setattr(keeper, "SHARE", 0.02)
    monkeypatch.setattr(keeper.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint, "write", write)
    kept = Keeper(tmp_path, count=1, every=25.0, found=None, about=dict)
    for step in range(10, 310, 10):  # a second each
        now[0] += 10.0
        kept.look(step, 1000, {"x": jnp.zeros(1)})
    assert written == [30, 240, 270, 300]  # 4.1 s are worth 205 s of waiting


@pytest.mark.parametrize("seconds, written", [(1.9, []), (2.0, [300])])
def test_one_is_written_at_the_end_where_much_would_be_lost(seconds, written, tmp_path, monkeypatch):
    now, found = [0.0], []
    monkeypatch.setattr(keeper.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoint, "write", lambda folder, step, arrays, about: found.append(step))
    kept = Keeper(tmp_path, count=1, every=25.0, found=None, about=dict)
    for step, passed in ((100, 25.0), (200, 1.0), (300, seconds - 1)):
        now[0] += passed
        kept.look(step, 300, {"x": jnp.zeros(1)})
    assert found == [100, *written]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_was_asked_for_is_raised_once_the_chunk_is_saved(number, tmp_path, monkeypatch):
    asked = [None]
    monkeypatch.setattr(stop, "asked", lambda: asked[0])
    kept = Keeper(tmp_path, count=2, every=float("inf"), found=None, about=lambda: {"members": ["a", "b"]})
    carry = {"x": jnp.arange(6.0).reshape(2, 3)}
    kept.look(1, 9, carry)
    assert not list(tmp_path.iterdir())
    asked[0] = number
    with pytest.raises(stop.Stop) as raised:
        kept.look(2, 9, carry)
    assert raised.value.number == number
    found = at(tmp_path, 2)
    np.testing.assert_array_equal(found.arrays["['x']"], carry["x"])
    assert found.about == {"members": ["a", "b"]}
    kept.remove()
    assert not tmp_path.exists()
