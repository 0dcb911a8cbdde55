"""An SAE brought in and sent out again: the saved folder, the card, the formats by name."""

import hashlib
import json

import jax.numpy as jnp
import numpy as np
import pytest
from exchange_samples import DIM, NOTHING, WIDTH, numbers, same, settings, write_safetensors

from mpsae import saved
from mpsae.exchange import sparsify
from mpsae.exchange.formats import read, recognise
from mpsae.exchange.tensors import read_safetensors
from mpsae.exchange.transfer import bring, send
from mpsae.saes.topk import TopK

TENSORS = {
    "encoder.weight": numbers(WIDTH, DIM),
    "encoder.bias": numbers(WIDTH, seed=1),
    "W_dec": numbers(WIDTH, DIM, seed=2),
    "b_dec": numbers(DIM, seed=3),
}


@pytest.fixture
def theirs(tmp_path):
    config = {"d_in": DIM, "num_latents": WIDTH, "k": 2}
    return write_safetensors(tmp_path / "layers.3", config, TENSORS, weights=sparsify.WEIGHTS)


def test_it_is_brought_in_with_where_it_is_from(tmp_path, theirs):
    bring(theirs, "sparsify", NOTHING, tmp_path / "ours", command="mpsae import layers.3 --out ours")
    sae, params, record = saved.load(tmp_path / "ours")
    assert sae == TopK(k=2, norm="init")
    same(
        {name: np.asarray(value) for name, value in params.items()}, read(theirs, "sparsify", NOTHING).params
    )
    imported = record["trained_on"]["imported"]
    assert imported == {
        "format": "sparsify",
        "kind": "topk",
        "file": "layers.3",
        "sha256": hashlib.sha256((theirs / sparsify.WEIGHTS).read_bytes()).hexdigest(),
        "config": {"d_in": DIM, "num_latents": WIDTH, "k": 2},
        "notes": [],
    }
    assert record["provenance"]["data"] == {"name": "layers.3", "fingerprint": imported["sha256"]}
    assert str(tmp_path) not in json.dumps(record)


def test_it_is_sent_out_as_a_hub_s_repository(tmp_path, theirs):
    bring(theirs, "sparsify", NOTHING, tmp_path / "ours", command="mpsae import")
    send(tmp_path / "ours", "sparsify", NOTHING, tmp_path / "hub", id="layers.3")
    assert sorted(str(path.relative_to(tmp_path / "hub")) for path in (tmp_path / "hub").rglob("*.*")) == [
        "README.md", "layers.3", "layers.3/cfg.json", "layers.3/sae.safetensors",
    ]  # fmt: skip
    same(read_safetensors(tmp_path / "hub/layers.3" / sparsify.WEIGHTS), TENSORS)
    text = (tmp_path / "hub/README.md").read_text()
    assert text.startswith("---\nlibrary_name: sparsify\ntags:\n- sparse-autoencoder\n---\n")
    assert 'Sae.load_from_disk("FOLDER")' in text and "FOLDER is `layers.3`" in text
    assert "| k | 2 |" in text and f"| atoms | {WIDTH} |" in text
    assert not list(tmp_path.glob(".*part*"))


def test_scores_and_what_must_be_given_are_on_the_card(tmp_path):
    params = {"atoms": numbers(WIDTH, DIM), "bias": np.zeros(DIM), "encoder": numbers(DIM, WIDTH)}
    saved.save(
        tmp_path / "ours",
        TopK(k=3, centre="none"),
        params | {"encoder_bias": numbers(WIDTH)},
        dim=DIM,
        width=WIDTH,
        trained_on={"fingerprint": "f00d", "steps": 10, "source": {"path": "secret"}},
        provenance={},
        scores=[
            {"metric": "ev", "value": 0.51234, "at": {}},
            {"metric": "<b>|", "value": None, "at": {}},
            {"metric": "curve", "value": 1.0, "at": {"k": 1}},
        ],
    )
    send(tmp_path / "ours", "overcomplete", NOTHING, tmp_path / "hub", id="sae")
    text = (tmp_path / "hub/README.md").read_text()
    assert "| ev | 0.5123 |" in text and r"| &lt;b&gt;\| | - |" in text and "curve" not in text
    assert "| class | TopKSAE |\n| normalization | identity |\n| k | 3 |" in text
    assert "| fingerprint | f00d |" in text and "secret" not in text
    assert '{"normalization": "identity"}' in text


def test_rows_that_were_transformed_are_not_sent_out(tmp_path):
    params = TopK(k=1).init(jnp.array([0, 1], jnp.uint32), DIM, WIDTH)
    about = {"trained_on": {}, "provenance": {}, "scores": []}
    for number, transform in enumerate(
        ({"scale": 2.0}, {"center": "global", "tensors": {"c": np.ones(DIM)}})
    ):
        folder = tmp_path / str(number)
        saved.save(folder, TopK(k=1), params, dim=DIM, width=WIDTH, transform=transform, **about)
        with pytest.raises(ValueError, match="its rows were centred .* which no other format can say"):
            send(folder, "saelens", NOTHING, tmp_path / "hub", id="sae")
    assert not (tmp_path / "hub").exists()


def test_what_is_in_the_way_is_left_alone(tmp_path, theirs):
    bring(theirs, "sparsify", NOTHING, tmp_path / "ours", command="mpsae import")
    (tmp_path / "hub").mkdir()
    for id, message in (("sae", "hub is there already"), ("../sae", "--id ../sae: must be"), ("..", "--id")):
        with pytest.raises(ValueError, match=message):
            send(tmp_path / "ours", "sparsify", NOTHING, tmp_path / "hub", id=id)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something that is not a published SAE"):
        bring(theirs, "sparsify", NOTHING, tmp_path / "full", command="mpsae import")


def test_a_folder_shows_its_format_and_a_file_does_not(tmp_path, theirs):
    assert recognise(theirs) == "sparsify"
    (theirs / "ae.pt").write_bytes(b"")
    for path, message in (
        (
            theirs,
            "must hold one of ae.pt, params.npz, .*, sae.safetensors, and only one",
        ),
        (tmp_path, "must hold one of"),
        (
            theirs / "ae.pt",
            "a file does not say what it is, give --format mnist_mp or openai or overcomplete",
        ),
        (tmp_path / "nope", "nope: no such folder or file"),
    ):
        with pytest.raises(ValueError, match=message):
            recognise(path)


def test_names_of_formats_and_of_what_is_given_are_checked(tmp_path, theirs):
    for name, given, message in (
        ("sparsfy", NOTHING, "unknown format 'sparsfy'.*did you mean 'sparsify'"),
        ("sparsify", settings(k=3), "--given k: sparsify takes nothing"),
        ("overcomplete", settings(clas="MpSAE"), "--given clas: overcomplete takes .*did you mean 'class'"),
        ("overcomplete", NOTHING, "layers.3: overcomplete is a file, a state dict"),
    ):
        with pytest.raises(ValueError, match=message):
            read(theirs, name, given)
    with pytest.raises(ValueError, match="sae.safetensors: saelens is a folder"):
        read(theirs / "sae.safetensors", "saelens", NOTHING)
    config = {"d_in": DIM, "num_latents": WIDTH, "k": WIDTH + 1}
    path = write_safetensors(tmp_path / "wide", config, TENSORS, weights=sparsify.WEIGHTS)
    with pytest.raises(ValueError, match="wide: sae.k = 7: at most the number of atoms, width = 6"):
        read(path, "sparsify", NOTHING)
