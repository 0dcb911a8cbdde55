"""Captions, images and classes: valid samples, and reading them as a command does."""

import io
import json

import numpy as np
from hostile_reader import Reader, table


def captions(name, text):
    def make(folder):
        (folder / name).write_text(text)

    def read(folder):
        from mpsae.canonical import canonical
        from mpsae.embed.gather import gather
        from mpsae.progress import Progress

        found = gather(None, folder / name, skip_bad=True, progress=Progress(io.StringIO()))
        canonical([found.items, found.inputs])
        for caption in found.captions:
            caption.encode()
        return found.captions, found.pairs.tolist(), found.ids["text"].tolist()

    return Reader(make, read)


COCO = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}],
    "annotations": [
        {"id": 1, "image_id": 7, "caption": "a cat"},
        {"id": 2, "image_id": 8, "caption": "a dog"},
        {"id": 3, "image_id": 7, "caption": "a mat"},
    ],
}


def make_images(folder):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    (folder / "images").mkdir()
    for place, ending in enumerate(("png", "jpg", "webp", "bmp", "gif", "tif", "ppm")):
        pixels = np.random.default_rng(place).integers(0, 256, (9, 7, 3), np.uint8)
        info = {"pnginfo": PngInfo()} if ending == "png" else {}
        if info:
            info["pnginfo"].add_text("Description", "what it shows", zip=True)
        Image.fromarray(pixels).save(folder / "images" / f"{place}.{ending}", **info)
    lines = [
        json.dumps({"image": f"{place}.{ending}", "caption": "x"})
        for place, ending in enumerate(("png", "jpg"))
    ]
    (folder / "captions.jsonl").write_text("\n".join(lines))


def read_images(folder):
    from mpsae.embed.gather import gather
    from mpsae.explore.thumbnails import _opened
    from mpsae.progress import Progress
    from mpsae.report.picture import picture

    quiet = Progress(io.StringIO())
    gather(folder / "images", folder / "captions.jsonl", skip_bad=True, progress=quiet)
    found = gather(folder / "images", None, skip_bad=True, progress=quiet)
    for image in found.images[:]:
        image.convert("RGB")
    for item in found.items["image"]:
        _opened(folder / "images", item["name"])
    for path in sorted((folder / "images").iterdir()):
        _opened(folder / "images", path.name)
    for path in sorted((folder / "images").iterdir()):
        picture(path)


def make_labels(folder):
    (folder / "labels.csv").write_text(
        'kind,size\ncat,\n"dog, wet",big\ncat,small\n,big\ncat,big\ncat,small\n'
    )
    np.save(folder / "rows.npy", table())


def read_labelled(folder):
    from mpsae.sources.arrays import Arrays

    source = Arrays(path=str(folder / "rows.npy"), held_out=2, labels=str(folder / "labels.csv")).build(0)
    return source.held.tolist(), source.labels.classes, {k: v.tolist() for k, v in source.labels.of.items()}


def make_graph(folder):
    (folder / "graph.json").write_text(
        json.dumps({"links": [{"source": "animal", "target": "cat"}, {"source": "animal", "target": "dog"}]})
    )
    (folder / "graph.txt").write_text("animal\tcat\nanimal\tdog\n")
    (folder / "classes.txt").write_text("cat\ndog\n\ncat\ndog\ncat\n")
    np.save(folder / "pairs.npy", np.stack([table(), table()]))


def read_graph(folder):
    from mpsae.sources.embeddings import Embeddings

    for name in ("graph.json", "graph.txt"):
        source = Embeddings(
            path=str(folder / "pairs.npy"),
            held_out=0.4,
            class_graph=str(folder / name),
            classes=str(folder / "classes.txt"),
        )
        source.build(0)
