"""A small CAST in JAX (Ke, Mo, Yu, arXiv 2210.00314): images of scenes as one row and as nested segments.

`superpixels` groups pixels, `pooling` groups tokens, `network` is the model, `training` fits it to the captions'
rows of the small CLIP, `vision` uses it and `weights` keeps it in a folder. `segments` and `leakage` score what
it sees, `report` does so of scenes, `making` does all of it.
"""
