"""Eight small SAEs at once: our stacked trainer against a loop over torch modules."""

import time

import numpy as np

from mpsae.bench.entrant import Entrant
from mpsae.bench.problem import Size, problem

MEMBERS = 8
SIZE = Size(512, 64, 128, 5)
OURS, THEIRS = 1000, 50  # steps of every member in a turn: a fit has a start, a loop has none


def ours(steps: int) -> Entrant:
    """`train.fit` on eight members; the first fit, which compiles, is not timed."""
    from mpsae import train
    from mpsae.optim import Optim
    from mpsae.saes.mp import MatchingPursuit
    from mpsae.source import array_source

    x, _ = problem(SIZE._replace(batch=20 * SIZE.batch))
    source = array_source(x, x[:1000])
    sae = MatchingPursuit(k=SIZE.k, bias="none", revive="none")
    optim = Optim(steps=steps, batch=SIZE.batch)
    members = [train.member(sae, optim, data=i, init=i, dropout=i) for i in range(MEMBERS)]

    def call(n: int) -> None:
        for _ in range(n):
            train.fit(members, [source] * MEMBERS, width=SIZE.width)

    began = time.monotonic()
    call(1)
    return Entrant("mpsae, one stack", lambda: np.zeros((1, 1)), call, time.monotonic() - began, steps)


def overcomplete(steps: int) -> Entrant:
    """One MpSAE after another, each drawing its own shuffled batches."""
    import torch

    from mpsae.bench import peers

    torch.set_num_threads(1)
    library = peers.library()
    x, _ = problem(SIZE._replace(batch=20 * SIZE.batch))
    rows = torch.from_numpy(x)
    saes = [library.MpSAE(SIZE.dim, SIZE.width, k=SIZE.k) for _ in range(MEMBERS)]
    optimizers = [torch.optim.Adam(sae.parameters(), lr=3e-4) for sae in saes]

    def call(n: int) -> None:
        for _ in range(n * steps):
            for sae, optimizer in zip(saes, optimizers, strict=True):
                batch = rows[torch.randint(len(rows), (SIZE.batch,))]
                peers.descend(optimizer, batch, sae(batch)[2])

    return Entrant("overcomplete, a loop", lambda: np.zeros((1, 1)), call, unit=steps)
