"""Every reader of files that somebody else may have written: a valid sample, and reading it as a command does."""

import json

import numpy as np
from hostile_models import (
    make_cast,
    make_checkpoint,
    make_clip,
    make_dictionary_learning,
    make_gemma_scope,
    make_local,
    make_mnist_mp,
    make_openai,
    make_overcomplete,
    make_saelens,
    make_saved,
    make_sparsify,
    read_cast,
    read_checkpoint,
    read_clip,
    read_folder,
    read_local,
    read_mnist_mp,
    read_openai,
    read_overcomplete,
    read_saved,
)
from hostile_reader import Reader, named, table
from hostile_samples import mend_record, mend_rows
from hostile_texts import (
    COCO,
    captions,
    make_graph,
    make_images,
    make_labels,
    read_graph,
    read_images,
    read_labelled,
)
from test_rows import group

# ---- configs and command-line values


def make_config(folder):
    from mpsae.config import Evaluation, Run
    from mpsae.optim import Optim
    from mpsae.sae import find
    from mpsae.source import find_source

    run = Run(
        source=find_source("paired")(),
        sae=find("mp")(),
        width=8,
        optim=Optim(),
        evaluation=Evaluation(ks=(1, 2), matrices=("cross_gram",), encoders=("mp",)),
    )
    (folder / "run.json").write_text(run.to_json())


def read_config(folder):
    from mpsae.config import Run
    from mpsae.verbs.train import _read

    run = _read(Run, folder / "run.json")
    with named(folder):
        run.validate()
        run.sae.validate(16, run.width)
    return run.id("f00d")


def make_fields(folder):
    (folder / "fields.txt").write_text("k=3,tol=0.1,select=max")


def read_fields(folder):
    from mpsae.config import with_fields
    from mpsae.files import read_bytes
    from mpsae.sae import find

    text = read_bytes(folder / "fields.txt").decode("utf-8", "surrogateescape")
    with named(folder):
        sae = with_fields(find("mp")(), dict(field.partition("=")[::2] for field in text.split(",")))
        sae.validate(16, 16)


# ---- arrays


def make_npy(folder):
    np.save(folder / "rows.npy", table())


def read_npy(folder):
    from mpsae.array_files import table_in_npy
    from mpsae.sources.arrays import Arrays

    path = str(folder / "rows.npy")
    table_in_npy(path)
    return Arrays(path=path, zero_rows="drop", cast="float32").read().tobytes()


def make_npz(folder):
    np.savez(folder / "both.npz", image=table(), text=table()[::-1])


def read_npz(folder):
    from mpsae.store import from_files

    return from_files(both=folder / "both.npz", cast="float32", zero_rows="drop").fingerprint


def make_tensors(folder):
    import safetensors.numpy

    safetensors.numpy.save_file({"image": table(), "text": table()[::-1].copy()}, folder / "both.safetensors")


def read_tensors(folder):
    from mpsae.store import from_files

    return from_files(both=folder / "both.safetensors", cast="float32", zero_rows="drop").fingerprint


def make_bin(folder):
    (folder / "rows.bin").write_bytes(table().tobytes())


def read_bin(folder):
    from mpsae.store import from_files

    return from_files(image=folder / "rows.bin", dim=4, zero_rows="drop").fingerprint


def make_mnist(folder):
    pixels = np.arange(6 * 784, dtype=np.uint8).reshape(6, 28, 28)
    np.savez_compressed(folder / "mnist.npz", x_train=pixels, x_test=pixels[:2])


def read_mnist(folder):
    from mpsae.sources.mnist import Mnist

    return Mnist(path=str(folder / "mnist.npz"), train_rows=4).build(0).fingerprint()


# ---- stores


def make_store(folder):
    from test_store import store

    from mpsae.store import write

    write(folder / "store", store(), shard_rows=3)


def read_store(folder):
    from mpsae.explore.subject import items
    from mpsae.sources.embeddings import Embeddings

    source = Embeddings(path=str(folder / "store"), held_out=0.5)
    store = source.store()
    built = source.of(store)
    shown = items(store)
    return store.fingerprint, built.fingerprint(), shown.names, shown.captions, sorted(shown.labels)


def take_up(folder):
    from mpsae.store import Writer

    with Writer(folder / "store", request={"fingerprint": "f00d", "shard": 3}) as writer:
        return writer.rows("image"), writer.complete


def make_begun(folder):
    from mpsae.store import Writer

    with Writer(folder / "store", request={"fingerprint": "f00d", "shard": 3}) as writer:
        writer.add("image", table(), np.arange(6))


# ---- rows


def make_rows(folder):
    from mpsae.rows import Group, append, write_arrays

    entries = write_arrays(folder, "9f2c", {"gram": table()})
    append(folder / "rows.jsonl", group(0))
    append(folder / "rows.jsonl", Group(**(vars(group(1)) | {"values": [*group(1).values, *entries]})))


def read_rows(folder):
    from mpsae import tuning
    from mpsae.evidence import origin
    from mpsae.rows import load, read_array, tidy

    found = load(folder)
    rows = tidy(found)
    arrays = [read_array(folder, row["array"]).tobytes() for row in rows if row["array"]]
    with named(folder):
        if found.notes:  # a tail that was cut short is not refused, but it is said
            raise ValueError(" ".join(found.notes))
        return rows, arrays, origin(found), tuning.read(rows), sorted(found.finished)


CHAIN = "image_url,captions\nhttp://x/a.png,animal => cat => a cat\nhttp://x/b.png,animal => dog => a dog\n"
READERS = {
    "config": Reader(make_config, read_config),
    "fields": Reader(make_fields, read_fields),
    "npy": Reader(make_npy, read_npy),
    "npz": Reader(make_npz, read_npz),
    "safetensors": Reader(make_tensors, read_tensors),
    "bin": Reader(make_bin, read_bin),
    "mnist": Reader(make_mnist, read_mnist),
    "store": Reader(make_store, read_store, mend_record("store/store.json")),
    "begun": Reader(make_begun, take_up, mend_record("store/store.json")),
    "rows": Reader(make_rows, read_rows, mend_rows),
    "saved": Reader(make_saved, read_saved, mend_record("sae/sae.json")),
    "checkpoint": Reader(
        make_checkpoint, read_checkpoint, mend_record("stack/step-000000000007/manifest.json")
    ),
    "saelens": Reader(make_saelens, read_folder),
    "sparsify": Reader(make_sparsify, read_folder),
    "dictionary_learning": Reader(make_dictionary_learning, read_folder),
    "gemma_scope": Reader(make_gemma_scope, read_folder),
    "overcomplete": Reader(make_overcomplete, read_overcomplete),
    "mnist_mp": Reader(make_mnist_mp, read_mnist_mp),
    "openai": Reader(make_openai, read_openai),
    "csv": captions("captions.csv", 'image,caption\na.png,a cat\nb.png,"a dog, too"\n'),
    "chains": captions("captions.csv", "image,caption_1,caption_2\na.png,animal,a cat\nb.png,animal,a dog\n"),
    "hierarcaps": captions("captions.csv", CHAIN),
    "tsv": captions("captions.tsv", "image\tcaption\na.png\ta cat\nb.png\ta dog\n"),
    "coco": captions("captions.json", json.dumps(COCO)),
    "jsonl": captions(
        "captions.jsonl", '{"image": "a.png", "caption": ["a cat", "cats"]}\n{"caption": "a dog"}\n'
    ),
    "txt": captions("captions.txt", "a cat\na dog\n"),
    "images": Reader(make_images, read_images),
    "graph": Reader(make_graph, read_graph),
    "labels": Reader(make_labels, read_labelled),
    "clip": Reader(make_clip, read_clip, mend_record("clip.json")),
    "cast": Reader(make_cast, read_cast, mend_record("cast.json")),
    "local": Reader(make_local, read_local),
}


# Every module that opens a file, and which readers above go through it, or why none has to.
OPENED_IN = {
    "mpsae/array_files.py": "npy npz safetensors bin mnist gemma_scope",
    "mpsae/cast/making.py": "clip",
    "mpsae/cast/weights.py": "cast",
    "mpsae/checkpoint.py": "checkpoint",
    "mpsae/claims.py": "locks a file and reads none",
    "mpsae/class_graph.py": "graph",
    "mpsae/clip/making.py": "clip",
    "mpsae/clip/model.py": "clip",
    "mpsae/clip/text.py": "clip",
    "mpsae/embed/cast.py": "cast",
    "mpsae/embed/caption_file.py": "csv chains hierarcaps tsv coco jsonl txt",
    "mpsae/embed/gather.py": "csv images",
    "mpsae/embed/images.py": "images",
    "mpsae/embed/inception.py": "takes the digest of a file that was read before (local, dictionary_learning)",
    "mpsae/embed/scenes.py": "clip",
    "mpsae/embed/weights.py": "local",
    "mpsae/exchange/settings.py": "saelens sparsify dictionary_learning",
    "mpsae/exchange/tensors.py": "saelens sparsify",
    "mpsae/exchange/torch_file.py": "dictionary_learning overcomplete mnist_mp openai",
    "mpsae/exchange/transfer.py": "saelens sparsify dictionary_learning gemma_scope",
    "mpsae/explore/thumbnails.py": "images",
    "mpsae/files.py": "config store rows saved",
    "mpsae/form.py": "config fields store rows saved",
    "mpsae/image_file.py": "images",
    "mpsae/record.py": "store begun saved clip",
    "mpsae/report/picture.py": "images",
    "mpsae/rows.py": "rows",
    "mpsae/saved.py": "saved",
    "mpsae/store/foreign.py": "npz safetensors bin",
    "mpsae/store/reader.py": "store",
    "mpsae/store/shards.py": "store",
    "mpsae/store/writer.py": "begun",
    "mpsae/verbs/embed.py": "begun",
    "mpsae/verbs/train.py": "config",
    "mpsae/bench/memory.py": "reads what the system says of this process",
    "mpsae/hosts.py": "reads what processes of one run tell each other, no file",
    "mpsae/label_table.py": "labels",
    "mpsae/memory_maps.py": "reads what the system says of this process",
    "mpsae/conformance/form.py": "reads back what it wrote the line before",
    "mpsae/experiment.py": "runs a file of the user, as a plug-in (tests of experiments)",
    "mpsae/plugin.py": "runs a file of the user (tests of plug-ins)",
    "mpsae/report/assets.py": "reads the package's own files",
}
