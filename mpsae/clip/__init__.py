"""A small CLIP of our own, trained on captioned scenes; torch is imported inside functions alone.

`training` fits it, `model` saves, loads and encodes, `readout` and `report` say what a straight line
reads out of its embeddings, `artefact` writes the folder `scenes` that ships: weights and 4000 pairs.
"""
