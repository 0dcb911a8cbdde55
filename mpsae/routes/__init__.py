"""Ways to compute one pursuit: the same atoms and codes, at different cost.

`rule`      what fixes a pursuit: its rule and its rows
`walk`      the loop over steps, for a block of rows
`way`       what a way to find the next atom consists of
`residual`  products of the residual with every row of the dictionary, each step
`gram`      the products once, then one row of the Gram matrix subtracted per step
`screened`  bfloat16 products nominate a few atoms, exact ones decide, a bound certifies
`fused`     GPU: product and m best in one kernel, the products never in memory
`running`   the m best of a row as tiles of it go by, inside a kernel
`resident`  GPU: one kernel for all k steps, the products of a row kept on chip
`kernels`   the two GPU kernels as ways
`plan`      which way for which sizes
`reverse`   the exact gradient: the path walked backwards
`product`   products of rows with rows, and the symmetric Gram matrix in tiles
"""
