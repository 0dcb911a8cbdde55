"""Every metric of the scorer, one family per file.

`base`            Batch, Value, Matrix and the decorators @statistic, @shared, @metric
`reconstruction`  how much of x is explained, in every published convention
`sparsity`        how many latents fire, how often, how unevenly
`recovery`        are the true features found? (needs truth)
`hierarchy`       what happens between parents and children (needs truth)
`geometry`        the dictionary alone, and the spectrum of the codes
`stability`       two dictionaries of two seeds (functions, called by the sweep)
`curves`          error against the number of atoms used at inference (formulas)

Modules are imported by `base.known_metrics()`, never here: an import stays cheap.
"""
