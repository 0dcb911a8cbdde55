"""Every metric of the scorer, one family per file.

`base`            Batch, Value, Matrix and the decorators @statistic, @shared, @metric
`reconstruction`  how much of x is explained, in every published convention
`sparsity`        how many latents fire, how often, how unevenly
`pairing`         which latent is which feature: cosines, matchings, counts of pairs (values, no metric)
`recovery`        are the true features found? (needs truth)
`hierarchy`       the geometry between parents and children (needs truth)
`absorption`      parents that fall silent when a child fires (needs truth)
`order`           which step of a pursuit takes which feature (needs truth and steps)
`geometry`        the dictionary alone: coherence, Babel
`spectrum`        effective ranks of codes and dictionary, interference
`reference`       the codes of a few rows, to look at
`pool`            the held-out pairs that are kept whole (a value, no metric)
`labelled`        what is known of pairs or rows: halves, shuffled labels, trees of classes (values, no metric)
`concepts`        which latent stands for which class of a known factor (needs labels)
`concept_probe`   what a straight line reads out of codes, x̂ and x (needs labels)
`words`           which word each latent stands for (needs pairs, captions)
`commuting`       do an image's named latents say what its caption says? (on request; needs a text encoder)
`mono`            is a latent about one class, by labels and class trees? (needs labels)
`ms`              are the rows of a latent alike, by embeddings and labels? (needs pairs)
`stability`       two dictionaries of two seeds (functions, called by the sweep)
`code_map`        a picture of the code space of pairs (only on request)
`sides`           how much of each modality is reconstructed (needs pairs, as all below but `curves`)
`gap`             how far apart images and texts lie, how close pairs are
`modality`        which modality a latent belongs to, and how much of the energy each has
`modality_steps`  the same along a pursuit, and without its first step (needs steps)
`bridge`          which latents carry the inner product of an image with its text
`transport`       the same without pairs: the least cost of carrying one's energy to the other's
`zero_shot`       naming an image's class by texts alone (needs labels)
`retrieval`       finding the text of an image and the image of a text
`guess`           picking an image out of ten by what its atoms show on others
`agreement`       common latents and common neighbours of a pair, with their nulls
`probe`           reading the modality off a row, a latent, an atom
`intervene`       keeping the latents of one class only
`curves`          error against the number of atoms used at inference (formulas)

Modules are imported by `base.known_metrics()`, never here: an import stays cheap.
"""
