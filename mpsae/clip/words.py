"""Captions as rows of word numbers: one number per word of a closed vocabulary."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

PAD = 0


class Words:
    """0 pads, 1 to n are the words in the order given, n + 1 starts a caption and n + 2 ends it.

    The end has the largest number because open_clip reads a caption's feature there, by argmax.
    """

    def __init__(self, vocabulary: Sequence[str], length: int):
        self.vocabulary, self.length = tuple(vocabulary), length
        self.numbers = {word: number for number, word in enumerate(vocabulary, 1)}
        if len(self.numbers) != len(self.vocabulary):
            raise ValueError("vocabulary: a word occurs twice")
        self.start, self.end = len(vocabulary) + 1, len(vocabulary) + 2

    @property
    def size(self) -> int:
        """How many different numbers there are."""
        return self.end + 1

    def __call__(self, captions: Sequence[str]) -> Int[np.ndarray, "n length"]:
        """int64 rows: start, the words, end, padding.

        Raises ValueError for a word outside of the vocabulary or a caption that is too long.
        """
        rows = np.full((len(captions), self.length), PAD, np.int64)
        for row, caption in zip(rows, captions, strict=True):
            words = caption.split()
            unknown = [word for word in words if word not in self.numbers]
            if unknown:
                raise ValueError(
                    f"caption {caption!r}: {unknown[0]!r} is not among the {len(self.vocabulary)} words known"
                )
            if len(words) + 2 > self.length:
                raise ValueError(f"caption {caption!r}: {len(words)} words, at most {self.length - 2} fit")
            row[: len(words) + 2] = [self.start, *(self.numbers[word] for word in words), self.end]
        return rows
