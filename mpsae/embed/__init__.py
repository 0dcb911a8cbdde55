"""Images and captions to an embedding store; only `model.py` and `layer.py` know torch and open_clip.

A `Collection` says what is to be embedded, an `Encoder` how, `embed` does it shard by shard. Another
kind of input is another function that returns a Collection.
"""
