"""Paired rows: interleaved, each pair once an epoch, centred as asked, never parted by a chunk."""

import jax
import numpy as np
import pytest
from caption_samples import Counting
from scoring import Affine

from mpsae import heldout
from mpsae.kept import parts
from mpsae.labels import Labels
from mpsae.metrics.pool import pool
from mpsae.pairs import centres, interleaved, paired_arrays, split
from mpsae.score import score

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(6, 4)) + 1.0
TEXT = RNG.normal(size=(12, 4)) - 2.0
PAIRS = np.array([[i, 2 * i + c] for i in range(4) for c in range(2)])  # two texts an image
HELD = np.array([[4, 8], [5, 10]])


def source(**options):
    return paired_arrays(IMAGE, TEXT, PAIRS, HELD, **options)


def test_split_undoes_interleaving():
    image, text = split(interleaved(IMAGE, TEXT[:6]))
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(text, TEXT[:6])


def test_an_epoch_has_every_pair_once():
    data = source()
    rows = np.concatenate([np.asarray(data.batch(jax.random.key(3), step, 4)) for step in range(4)])
    image, text = split(rows)
    found = {
        (int(np.abs(IMAGE - i).sum(1).argmin()), int(np.abs(TEXT - t).sum(1).argmin()))
        for i, t in zip(image, text, strict=True)
    }
    assert found == {tuple(pair) for pair in PAIRS.tolist()} and len(image) == len(PAIRS)


def test_an_odd_batch_is_refused():
    with pytest.raises(ValueError, match="batch = 5: must be even"):
        source().batch(jax.random.key(0), 0, 5)


def test_centrings():
    image, text = IMAGE[PAIRS[:, 0]], TEXT[PAIRS[:, 1]]
    held = interleaved(IMAGE[HELD[:, 0]], TEXT[HELD[:, 1]])
    both = np.concatenate([image, text]).mean(0)
    expected = {
        "none": held,
        "global": held - both,
        "modality": held - interleaved(*(np.tile(side.mean(0), (2, 1)) for side in (image, text))),
    }
    for name, rows in expected.items():
        np.testing.assert_allclose(source(centring=name).held_out(0)[0], rows, atol=1e-6)
    assert np.all(centres(image.mean(0), text.mean(0), "none")[0] == 0)
    with pytest.raises(ValueError, match="centring = 'mean': must be one of none, global, modality"):
        source(centring="mean")


def test_a_mean_counts_each_row_as_often_as_it_is_paired(monkeypatch):
    monkeypatch.setattr("mpsae.stored_rows.BLOCK_ROWS", 2)
    pairs = np.array([[3, 5], [0, 1], [3, 2], [3, 0]])
    made = paired_arrays(IMAGE, TEXT, pairs, HELD, centring="modality")
    for rows, found, side in ((IMAGE, made.image, 0), (TEXT, made.text, 1)):
        np.testing.assert_allclose(found, rows - rows[pairs[:, side]].mean(0), atol=1e-6)


def test_the_fingerprint_covers_pairs_labels_and_chains():
    labels = Labels({"kind": np.array([0, 1])}, classes=(("kind", ("cat", "dog")),))
    other = Labels({"kind": np.array([0, 1])}, classes=(("kind", ("cat", "cow")),))
    built = [
        source(),
        source(centring="global"),
        source(labels=labels),
        source(labels=other),
        source(chains=np.array([[8, 9]])),
        source(chains=np.array([[8, 9]]), root=0),
        source(labels=labels.replace(between={"kind": 1 - np.eye(2)})),
        paired_arrays(IMAGE, TEXT, PAIRS[::-1], HELD),
    ]
    assert len({one.fingerprint() for one in built}) == len(built)
    assert source().fingerprint() == built[0].fingerprint()


def test_captions_are_those_of_the_held_out_pairs_and_leave_the_fingerprint():
    captions = [f"text {number}" for number in range(12)]
    told = source(captions=captions, encoder=Counting(), centring="modality")
    assert told.captions.said == ("text 8", "text 10")
    np.testing.assert_allclose(told.captions.speaker.shift, TEXT[PAIRS[:, 1]].mean(0), atol=1e-6)
    assert told.fingerprint() == source(centring="modality").fingerprint()
    assert source(captions=captions).captions.speaker is None and source().captions is None


def test_the_image_of_a_chain_is_the_held_out_one_of_its_last_text():
    held = np.array([[3, 5], [1, 2], [4, 2]])  # two images have text 2: the first counts
    made = paired_arrays(IMAGE, TEXT, PAIRS, held, centring="modality", chains=np.array([[0, 2], [1, 5]]))
    np.testing.assert_array_equal(made.chain_images, np.asarray(made.held)[[2, 0]])
    assert paired_arrays(IMAGE, TEXT, PAIRS, held, chains=np.array([[0, 2], [1, 3]])).chain_images is None


def test_no_chunk_parts_a_pair(monkeypatch):
    monkeypatch.setattr(heldout, "rows_at_once", lambda width, dim: 3)
    many = paired_arrays(IMAGE, TEXT, PAIRS, np.array([[i, i] for i in range(5)]))
    sizes = [len(chunk.x) for chunk in heldout.chunks(many, width=4, codes=False)]
    assert sum(sizes) == 10 and not any(size % 2 for size in sizes)


def test_the_pool_keeps_pairs_codes_and_reconstructions():
    params = {"atoms": np.eye(4, dtype=np.float32), "scale": np.float32(0.5), "shift": np.float32(2.0)}
    kept = parts(Affine(), params, source(), 0.0)
    both = pool(kept)
    for side, rows in ((both.image, IMAGE[HELD[:, 0]]), (both.text, TEXT[HELD[:, 1]])):
        np.testing.assert_allclose(side.x, rows, atol=1e-6)
        np.testing.assert_allclose(side.z.toarray(), rows, atol=1e-6)
        np.testing.assert_allclose(side.xhat, rows / 2 + 2, atol=1e-6)
    np.testing.assert_allclose(kept.empty, 2.0)


def test_ordinary_metrics_read_both_modalities():
    params = {"atoms": np.eye(4, dtype=np.float32), "scale": np.float32(0.0), "shift": np.float32(0.0)}
    held = np.concatenate([IMAGE[HELD[:, 0]], TEXT[HELD[:, 1]]])
    found = score(Affine(), params, source(), metrics=["mse_sum"])
    assert found.n == 4
    assert found.value("mse_sum") == pytest.approx(np.square(held).sum(1).mean(), rel=1e-5)
