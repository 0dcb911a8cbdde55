"""A published SAE comes back the same, or is refused by file name."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpsae.sae
from mpsae.canonical import digest
from mpsae.code import Code
from mpsae.files import write_text
from mpsae.sae import SAE, leaf, static
from mpsae.saved import load, save

DIM, WIDTH = 4, 6
ABOUT = {
    "trained_on": {"fingerprint": "f00d", "steps": 10, "samples": 320},
    "provenance": {"commit": None},
    "scores": [{"metric": "mse", "value": 0.1}],
}


@pytest.fixture
def tiny(monkeypatch):
    """A variant known for one test only."""
    monkeypatch.setattr(mpsae.sae, "REGISTRY", dict(mpsae.sae.known()))

    class Tiny(SAE, name="tiny_saved"):
        k: int = static(default=2, low=1)
        groups: tuple = static(default=((1, 2), (3,)))
        level: float = leaf(default=0.25)

        def encode(self, params, x):
            return Code(values=jax.nn.relu(x @ params["atoms"].T - self.level), width=len(params["atoms"]))

    return Tiny


@pytest.fixture
def published(tiny, tmp_path):
    sae = tiny(k=3, level=0.5)
    params = sae.init(jax.random.key(0), DIM, WIDTH) | {"head": {"scale": jnp.arange(3.0)}}
    save(tmp_path / "sae", sae, params, dim=DIM, width=WIDTH, **ABOUT)
    return tmp_path / "sae", sae, params


def rewrite(folder, change):
    """The record changed by someone who also mends its digest."""
    record = json.loads((folder / "sae.json").read_text())
    record = {key: value for key, value in (record | change).items() if key != "self"}
    record["self"] = digest(record)
    write_text(folder / "sae.json", json.dumps(record, sort_keys=True, indent=1) + "\n")


def test_it_comes_back_the_same(published):
    folder, sae, params = published
    back, loaded, record = load(folder)
    assert back == sae and type(back) is type(sae)
    assert jax.tree.structure(loaded) == jax.tree.structure(params)
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), loaded, params)))
    assert record["fields"] == {"norm": "tangent", "k": 3, "groups": [[1, 2], [3]], "level": 0.5}
    assert record["params"] == {"atoms": [WIDTH, DIM], "bias": [DIM], "head.scale": [3]}
    assert record["frozen"] is True and record["transform"]["center"] == "none"
    assert {key: record[key] for key in ABOUT} == ABOUT
    assert sorted(path.name for path in folder.iterdir()) == ["params.safetensors", "sae.json"]
    assert [path.name for path in folder.parent.iterdir()] == ["sae"]


def test_equal_saes_are_equal_bytes_and_the_folder_can_move(published, tmp_path):
    folder, sae, params = published
    save(tmp_path / "other", sae, params, dim=DIM, width=WIDTH, **ABOUT)
    for name in ("sae.json", "params.safetensors"):
        assert (folder / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    shutil.move(folder, tmp_path / "moved")
    assert load(tmp_path / "moved")[0] == sae


def test_the_transform_travels_with_it(tiny, tmp_path):
    params = tiny().init(jax.random.key(0), DIM, WIDTH)
    transform = {"center": "global", "scale": 2.0, "tensors": {"center": np.arange(4.0)}}
    save(tmp_path / "sae", tiny(), params, dim=DIM, width=WIDTH, transform=transform, **ABOUT)
    _, loaded, record = load(tmp_path / "sae")
    assert set(loaded) == {"atoms", "bias"}
    assert record["transform"]["center"] == "global" and record["transform"]["scale"] == 2.0
    assert record["transform"]["tensors"]["center"].tolist() == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("name", ["sae.json", "params.safetensors"])
def test_every_flipped_bit_is_refused(published, name):
    folder = published[0]
    good = (folder / name).read_bytes()
    for number, place in enumerate(np.linspace(0, len(good) - 1, 20).astype(int)):
        bad = bytearray(good)
        bad[place] ^= 1 << number % 8
        (folder / name).write_bytes(bad)
        with pytest.raises(ValueError, match=name) as refused:
            load(folder)
        assert "sha256" in str(refused.value) or "schema" in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_flipped_bit_that_keeps_the_value_is_refused_too(published):
    folder = published[0]
    text = (folder / "sae.json").read_text()
    (folder / "sae.json").write_text(text.replace("\n ", "\n\t", 1))
    with pytest.raises(
        ValueError, match="sae.json: damaged, expected the file sha256 [0-9a-f]{64}, found sha256"
    ):
        load(folder)


@pytest.mark.parametrize("name", ["sae.json", "params.safetensors"])
def test_every_truncation_and_a_missing_file_are_refused(published, name):
    folder = published[0]
    good = (folder / name).read_bytes()
    for size in (0, len(good) // 2, len(good) - 1):
        (folder / name).write_bytes(good[:size])
        with pytest.raises(ValueError, match=f"{name}: damaged.* sha256 [0-9a-f]{{64}}"):
            load(folder)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=f"{name}: this file is missing"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "mpsae.sae/2"}, "sae.json: schema 'mpsae.sae/2' is unknown, this reads 'mpsae.sae/1'"),
        ({"variant": "tiny_savde"}, "sae.json: unknown variant 'tiny_savde'.*did you mean 'tiny_saved'"),
        ({"fields": {"kk": 3}}, "sae.json: variant 'tiny_saved' has no field kk"),
        ({"fields": {"k": 0}}, "sae.json: sae.k = 0: must be at least 1"),
        ({"params": {"atoms": [WIDTH, DIM]}}, "params.safetensors: sae.json lists the tensors"),
        (
            {"params": {"atoms": [DIM, WIDTH], "bias": [DIM], "head.scale": [3]}},
            "safetensors: atoms must have",
        ),
        ({"width": WIDTH + 1}, r"params.safetensors: atoms must have shape \(7, 4\)"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(published, change, message):
    rewrite(published[0], change)
    with pytest.raises(ValueError, match=message):
        load(published[0])


def test_what_cannot_be_published_is_refused_and_leaves_nothing(tiny, tmp_path):
    good = tiny().init(jax.random.key(0), DIM, WIDTH)
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), tiny(level=0.1), tiny(level=0.2))
    cases = [
        (tiny(), good | {"bias": good["bias"].at[1].set(jnp.nan)}, "bias has a value that is not finite"),
        (tiny(), good | {"atoms": good["atoms"].T}, r"atoms must have shape \(6, 4\)"),
        (tiny(), {"bias": good["bias"]}, "atoms must have shape .*found none"),
        (tiny(), good | {"a.b": good["bias"]}, "a name holds no dot"),
        (stack, good, "sae.level has shape"),
    ]
    for sae, params, message in cases:
        with pytest.raises(ValueError, match=message):
            save(tmp_path / "sae", sae, params, dim=DIM, width=WIDTH, **ABOUT)
    bad = ABOUT | {"scores": [{"value": float("nan")}]}
    with pytest.raises(ValueError, match=r"scores\[0\].value: nan"):
        save(tmp_path / "sae", tiny(), good, dim=DIM, width=WIDTH, **bad)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_sae_is_replaced_but_nothing_else(published):
    folder, sae, params = published
    newer = dataclasses.replace(sae, level=0.75)
    save(folder, newer, params, dim=DIM, width=WIDTH, **ABOUT)
    assert load(folder)[0].level == 0.75
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something that is not a published SAE"):
        save(folder, sae, params, dim=DIM, width=WIDTH, **ABOUT)
    assert load(folder)[0].level == 0.75
    assert [path.name for path in folder.parent.iterdir()] == ["sae"]
