"""Coarser factors from a graph of is-a pairs, by hand and on WordNet above ImageNet."""

import json

import numpy as np
import pytest

from mpsae.class_graph import ancestors, distances, read_pairs
from mpsae.class_labels import read_levels, with_graph
from mpsae.labels import Labels
from mpsae.metrics.base import Parts, Side
from mpsae.metrics.labelled import factors, leaf_trees

LINES = "entity animal\nentity thing\nanimal dog\ndog puppy\nanimal cat\nthing toy\n"
NAMES = ("cat", "puppy", "thing", "toy")


def labels(of):
    return Labels(of={"class": np.array(of), "size": np.arange(len(of)) % 2}, classes=(("class", NAMES),))


def test_levels_by_hand(tmp_path):
    (tmp_path / "graph.txt").write_text(LINES)
    found = with_graph(labels([0, 1, 2, 3, -1, 1]), str(tmp_path / "graph.txt"), path="graph", levels=(1, 2))
    assert found.names("class_1") == ("animal", "thing") and found.names("class_2") == ("cat", "dog", "toy")
    np.testing.assert_array_equal(found.of["class_1"], [0, 0, 1, 1, -1, 0])
    np.testing.assert_array_equal(found.of["class_2"], [0, 1, -1, 2, -1, 1])  # "thing" lies above that depth
    assert dict(found.parent) == {"class": "class_2", "class_2": "class_1"}
    assert set(found.of) == {"class", "class_1", "class_2", "size"}
    pairs = read_pairs(tmp_path / "graph.txt")
    np.testing.assert_array_equal(found.between["class"], distances(pairs, NAMES))
    # The coarser factors are no trees of their own: the graph says how far apart classes are.
    rows = Side(*np.zeros((3, 6, 1)))
    trees = leaf_trees(factors(Parts({"rows": rows}, np.zeros(1)), found), found)
    assert [tree.name for tree in trees] == ["class", "size"]


def test_levels_do_not_take_the_place_of_what_is_known(tmp_path):
    (tmp_path / "graph.txt").write_text(LINES)
    mine = labels([0, 1, 2, 3])
    twice = mine.replace(of=mine.of | {"class_1": np.zeros(4, int)})
    tree = mine.replace(parent=(("class", "size"),))
    for known, words in ((twice, "there is a factor 'class_1' already"), (tree, "'class' belongs to 'size'")):
        with pytest.raises(ValueError, match=words):
            with_graph(known, str(tmp_path / "graph.txt"), path="graph", levels=(1,))
    assert with_graph(tree, str(tmp_path / "graph.txt"), path="graph", levels=()).parent == tree.parent


@pytest.mark.parametrize(
    ("text", "expected"), [("", ()), ("4", (4,)), ("1/3/12", (1, 3, 12)), (" 2 / 3 ", (2, 3))]
)
def test_levels_are_read(text, expected):
    assert read_levels(text, "x") == expected


@pytest.mark.parametrize("text", ["0", "3/2", "2/2", "a", "1//2", "-1", "1.5", "²"])
def test_bad_levels_are_refused(text):
    with pytest.raises(ValueError, match=r"^levels = .*rising whole numbers above 0, as 4/6/8$"):
        read_levels(text, "levels")


@pytest.mark.parametrize(
    ("lines", "levels", "words"),
    [
        (LINES, (4,), ["no class lies 4 edges below the root"]),
        (LINES.replace("thing toy", "thing boy"), (1,), ["class 'toy' must be one of its"]),
        ("cat puppy\npuppy cat\nthing toy\ncat thing\n", (1,), ["'cat' twice, so it has no root"]),
    ],
)
def test_graphs_without_such_levels_are_refused(tmp_path, lines, levels, words):
    (tmp_path / "graph.txt").write_text(lines)
    with pytest.raises(ValueError) as error:
        with_graph(labels([0, 1, 2, 3]), str(tmp_path / "graph.txt"), path="tree", levels=levels)
    assert str(error.value).startswith(f"{tmp_path / 'graph.txt'}: ")
    assert all(word in str(error.value) for word in words), error.value


def test_levels_of_imagenet(shared_data):
    """Of its 1000 classes WordNet has 398 animals, and 330 of them have a backbone."""
    folder = shared_data / "hier_wordnet_ilsvrc"
    index = json.loads((folder / "imagenet_class_index.json").read_text())
    wordnet = read_pairs(folder / "wordnet.parent-child.mintree.txt")
    classes = [index[str(number)][0] for number in range(1000)]
    assert ancestors(wordnet, classes, 6).count("n00015388") == 398
    assert ancestors(wordnet, classes, 8).count("n01471682") == 330
    assert set(ancestors(wordnet, classes, 0)) == {"n00001740"}  # entity
