"""How much of an experiment or a bench is run. Imports nothing: the bench pins its core before numpy starts."""

SCALES = ("smoke", "quick", "full")
