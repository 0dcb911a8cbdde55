"""Captions of COCO: images with an id and a file name, annotations with an id and an image id."""

import json

from mpsae.embed.caption_file import CaptionFile, Entry, image_name


def coco(text: str, path: str) -> CaptionFile:
    """{"images": [{id, file_name}], "annotations": [{id, image_id, caption}]}; its ids are kept."""
    try:
        whole = json.loads(text)
        images = {int(image["id"]): str(image["file_name"]) for image in whole["images"]}
        notes = [(int(note["id"]), int(note["image_id"]), note["caption"]) for note in whole["annotations"]]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        wrong = f"{type(error).__name__}: {error}" if isinstance(error, ValueError) else f"no {error}"
        raise ValueError(
            f"{path}: must be COCO captions, images with id and file_name and annotations with id,"
            f" image_id and caption ({wrong})"
        ) from None
    names = {number: image_name(name, f"{path}, image {number}") for number, name in images.items()}
    entries, problems = [], []
    for number, image, caption in notes:
        where = f"annotation {number}"
        if image not in names:
            problems.append(f"{where} (of image {image}, which is not listed)")
        elif not isinstance(caption, str) or not caption.strip():
            problems.append(f"{where} (empty caption)")
        else:
            entries.append(Entry(where, names[image], (caption.strip(),), (number,)))
    return CaptionFile(
        entries=entries, images={name: number for number, name in names.items()}, problems=problems
    )
