"""A small CLIP of our own, trained on captioned scenes; torch is imported inside functions alone.

`training` fits it, `model` saves, loads and encodes, `readout` and `report` say what a straight line
reads out of its embeddings, `making` does all of it. The folder `scenes` ships: the weights, and 4000
pairs embedded by them.

Read from images of held-out combinations, the trees of kind, hue and place are there at every level
(.96 to 1.00 in `scenes/clip.json`); the texture tree is not (texture .53, pattern .86), so do not ask
of these embeddings how it is recovered.
"""
