"""import, export, verify and score of SAEs of other libraries, from the command line."""

import importlib.util
from pathlib import Path

import jax
import numpy as np
import pytest
from exchange_samples import DIM, WIDTH, numbers, same, write_safetensors

from mpsae import cli
from mpsae.exchange import comparison, saelens, torch_file
from mpsae.exchange.peers import Encoded
from mpsae.exchange.tensors import read_safetensors
from mpsae.saes.topk import TopK
from mpsae.score import score
from mpsae.sources.embeddings import pairs_of
from mpsae.store import from_files, read, write
from mpsae.stored_rows import StoredRows
from mpsae.verbs.score import _embeddings

TENSORS = {
    "W_enc": numbers(DIM, WIDTH),
    "W_dec": numbers(WIDTH, DIM, seed=1),
    "b_enc": numbers(WIDTH, seed=2),
    "b_dec": numbers(DIM, seed=3),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"architecture": "topk", "k": 2, "d_in": DIM, "d_sae": WIDTH}
    write_safetensors(tmp_path / "theirs", config, TENSORS, weights=saelens.WEIGHTS)


@pytest.fixture
def mpsae(capsys):
    def call(*words):
        code = cli.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_there_and_back(mpsae):
    code, out, err = mpsae("import", "theirs", "--out", "ours")
    assert (code, err) == (0, "")
    lengths = np.linalg.norm(TENSORS["W_dec"], axis=1)
    assert out.splitlines() == [
        f"saelens topk -> topk: {WIDTH} atoms of {DIM} values",
        f"atoms are {lengths.min():.4g} to {lengths.max():.4g} long",
        "saved in ours",
    ]
    code, out, err = mpsae("export", "ours", "--format", "saelens", "--out", "hub", "--id", "blocks.3")
    assert (code, err) == (0, "")
    written = [
        Path("hub/README.md"),
        Path("hub/blocks.3/cfg.json"),
        Path("hub/blocks.3/sae_weights.safetensors"),
    ]
    assert list(map(Path, out.splitlines())) == written and all(path.is_file() for path in written)
    same(read_safetensors(written[-1]), TENSORS)


def test_what_a_file_does_not_say_is_given(mpsae):
    state = {"dictionary._weights": TENSORS["W_dec"], "dictionary.multiplier": np.zeros((), np.float32)}
    Path("mp.pt").write_bytes(torch_file.write(state))
    code, _, err = mpsae("import", "mp.pt", "--out", "ours")
    assert code == 2 and "give --format mnist_mp or openai or overcomplete" in err and err.count("\n") == 1
    words = ("--format", "overcomplete", "--given", "class=MpSAE", "--given", "normalization=identity")
    code, _, err = mpsae("import", "mp.pt", "--out", "ours", *words)
    assert code == 2 and "--given: lacks k" in err
    assert mpsae("import", "mp.pt", "--out", "ours", *words, "--given", "k=3")[0] == 0
    code, out, err = mpsae("export", "ours", "--format", "saelens", "--out", "hub")
    assert code == 2 and "sae.select = 'max': SAELens cannot say this" in err and not Path("hub").exists()


@pytest.mark.parametrize("off", [0.0, 1e-3])
def test_verify_prints_the_largest_difference(mpsae, monkeypatch, off):
    def encoded(name, path, given, x):
        mine = comparison.own(comparison.read(path, name, given), x)
        return Encoded(mine.codes + np.float32(off) * (np.arange(len(x)) == 7)[:, None], mine.rebuilt)

    monkeypatch.setattr(comparison, "encoded", encoded)
    np.save("rows.npy", numbers(20, DIM))
    code, out, err = mpsae("verify", "theirs", "--data", "rows.npy")
    assert code == (1 if off else 0) and not err
    assert out.startswith("saelens: 20 rows, mean L0 ")
    assert f"largest difference of a code            {0.001 if off else 0:.2g}\n" in out
    last = out.splitlines()[-1]
    assert last.startswith("rows with a code off by more than ") and last.endswith(f" {1 if off else 0}")


@pytest.mark.skipif(importlib.util.find_spec("sae_lens") is not None, reason="sae_lens is here")
def test_verify_without_the_library_says_so(mpsae):
    code, out, err = mpsae("verify", "theirs")
    assert code == 2 and not out and err.count("\n") == 1
    assert "theirs: nothing to compare with" in err and "is not installed: pip install" in err


def test_an_sae_of_another_library_is_scored_on_an_embedding_folder(mpsae):
    for seed, name in enumerate(("image", "text")):
        np.save(f"{name}.npy", numbers(30, DIM, seed=seed, scale=1.0))
    write("pairs", from_files("image.npy", "text.npy"))
    code, out, err = mpsae("score", "theirs", "--data", "pairs")
    assert (code, err) == (0, "")
    scores = {line.split()[1]: line.split()[-1] for line in out.splitlines()}
    assert 1 <= float(scores["l0"]) <= 2 and "retrieval_code" in scores and "energy_bimodal" in scores
    code, _, err = mpsae("score", "theirs")
    assert code == 2 and "theirs does not say what it was trained on: give --data FILE or FOLDER" in err


def test_an_embedding_folder_without_pairs_is_scored_row_by_row():
    rows = numbers(1030, DIM, scale=1.0)
    np.save("image.npy", rows)
    write("images", from_files("image.npy"), shard_rows=400)
    found = _embeddings(Path("images"))
    assert isinstance(found.rows, StoredRows) and (found.dim, found.blocks) == (DIM, 2)
    np.testing.assert_array_equal(np.concatenate([found.held_out(i)[0] for i in range(2)]), rows)


def test_an_embedding_folder_stays_on_disk_while_it_is_scored():
    for seed, name in enumerate(("image", "text")):
        np.save(f"{name}.npy", numbers(1500, DIM, seed=seed, scale=1.0))
    write("pairs", from_files("image.npy", "text.npy"), shard_rows=400)
    few = ("fvu", "l0", "gap_xhat", "energy_image")
    sae, params = TopK(k=2), TopK(k=2).init(jax.random.key(0), DIM, WIDTH)
    memory = pairs_of(read("pairs"), held_out=0.0, centring="none", norm="keep", where="pairs")
    disk = _embeddings(Path("pairs"))
    assert not jax.tree.leaves((disk.image, disk.text, disk.held)) and disk.blocks == 3
    assert score(sae, params, disk, metrics=few).rows == score(sae, params, memory, metrics=few).rows
