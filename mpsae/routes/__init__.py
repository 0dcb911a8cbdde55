"""Faster ways through the same pursuit, one per file; each is exact or says how far it is not.

`fused`      GPU kernel: the m best atoms of every residual, correlations never in memory
`running`    what `fused` keeps: the m best of each row while tiles go by
`resident`   GPU kernel: all k steps with one sample's correlations kept on chip, one Gram row a step

Modules are imported where they are used, never here: an import stays cheap.
"""
