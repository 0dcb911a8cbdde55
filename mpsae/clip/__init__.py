"""A small CLIP of our own, trained on captioned scenes; torch is imported inside functions alone.

`training` fits it, `model` saves, loads and encodes, `readout` and `report` say what a straight line
reads out of its embeddings, `making` does all of it. The folder `scenes` ships: the weights, and 4000
pairs embedded by them.
"""
