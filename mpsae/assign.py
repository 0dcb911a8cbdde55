"""Maximal assignment of a table that is too large to be whole, exact.

Column generation: each member of the smaller side ("asker") lists its best candidates
("givers"), a sparse solver (scipy's LAPJVsp) matches askers to listed givers, and prices p
of givers and profits u of askers with score <= u + p on every listed pair prove that no
better matching is listed. Wherever an unlisted pair has score > u + p it is listed and the
problem is solved again. Once there is none the same prices prove that the whole table has
no better assignment: that is the certificate.

No asker whose profit is at least its best unlisted score can gain by an unlisted pair,
because prices are >= 0; the others read their scores again, one block at a time.
"""

from collections.abc import Callable

import numpy as np

from mpsae.bounds import TooLarge, rows_per_block

LISTED = 64  # candidates of an asker at first, and the most it adds in a round
MOST = 2**26  # candidates in all: 0.8 GB
GAIN = 1e-12  # of the largest score: what float64 can tell from no gain
NOBODY = -1

Read = Callable[[np.ndarray], np.ndarray]


def by_lists(read: Read, askers: int, givers: int, *, listed: int = LISTED) -> np.ndarray:
    """[askers] the giver of each that maximises the total; askers <= givers, all are served.

    read(ids) -> [len(ids), givers] float64, the scores of some askers. Memory: the lists and
    one block of scores.
    """
    assert askers <= givers
    lists = _Lists(read, askers, givers, listed)
    while True:
        taken = lists.solve()
        price, profit = lists.prices(taken)
        if not lists.add(read, price, profit, listed):
            if (taken != NOBODY).all():
                return taken
            lists.penalty *= 2  # no list is short of a better pair, yet staying alone was worth more


class _Lists:
    """The listed pairs, sorted by asker, and the best score that each asker did not list at first."""

    def __init__(self, read: Read, askers: int, givers: int, listed: int):
        self.shape = askers, givers
        size = min(listed, givers)
        found, scores, rest = [], [], []
        for ids in _blocks(np.arange(askers), givers):
            rows = read(ids)
            best = _largest(rows, ids, size + 1)
            if size < givers:
                rest.append(np.take_along_axis(rows, best[:, size:], axis=1)[:, 0])
                best = best[:, :size]
            else:
                rest.append(np.full(len(ids), -np.inf))
            found.append(best.astype(np.int32).ravel())
            scores.append(np.take_along_axis(rows, best, axis=1).ravel())
        self.asker = np.repeat(np.arange(askers, dtype=np.int32), size)
        self.giver, self.score, self.rest = map(np.concatenate, (found, scores, rest))
        self.scale = max(np.abs(self.score).max(), np.abs(self.rest[np.isfinite(self.rest)]).max(initial=0.0))
        self.penalty = 2.0 * self.scale + 1e-300

    def solve(self) -> np.ndarray:
        """[askers] the listed giver of each, NOBODY for one that stays alone at the penalty."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import min_weight_full_bipartite_matching

        askers, givers = self.shape
        alone = np.arange(askers, dtype=np.int32)
        graph = csr_array(
            (
                # Everyone has one giver, so a constant changes nothing; a score of 0 would be no edge.
                np.append(self.score, np.full(askers, -self.penalty)) + 2 * self.penalty,
                (np.append(self.asker, alone), np.append(self.giver, givers + alone)),
            ),
            shape=(askers, givers + askers),
        )
        taken = min_weight_full_bipartite_matching(graph, maximize=True)[1]
        return np.where(taken < givers, taken, NOBODY)

    def prices(self, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(p [givers], u [askers]), the least prices with score <= u + p on listed pairs, = if taken.

        p_i = max(0, max_j score_ji - u_j), u_j = score of j's giver - its price: longest paths
        in the graph of the pairs, from askers that stay alone and from free givers.
        """
        askers, givers = self.shape
        worth = np.full(askers, -self.penalty)  # of what each asker has
        mine = taken[self.asker] == self.giver
        worth[self.asker[mine]] = self.score[mine]
        owner = np.full(givers, NOBODY)
        owner[taken[taken != NOBODY]] = np.flatnonzero(taken != NOBODY)
        starts = np.searchsorted(self.asker, np.arange(askers + 1))
        price, profit = np.zeros(givers), worth.copy()
        changed = np.arange(askers)
        while len(changed):
            pairs = _ranges(starts[changed], starts[changed + 1])
            bid = self.score[pairs] - profit[self.asker[pairs]]
            raised = bid > price[self.giver[pairs]] + GAIN * self.scale
            pairs, bid = pairs[raised], bid[raised]
            np.maximum.at(price, self.giver[pairs], bid)
            hit = np.unique(self.giver[pairs])
            changed = owner[hit]
            changed = changed[changed != NOBODY]
            profit[changed] = worth[changed] - price[taken[changed]]
        assert price[owner == NOBODY].max(initial=0.0) <= 1e-6 * self.scale  # or `taken` is not optimal
        return price, profit

    def add(self, read: Read, price: np.ndarray, profit: np.ndarray, most: int) -> bool:
        """List the unlisted pairs with score > u + p, at most the best `most` per asker."""
        askers, givers = self.shape
        least = GAIN * self.scale * 10
        starts = np.searchsorted(self.asker, np.arange(askers + 1))
        new = []
        for ids in _blocks(np.flatnonzero(profit + least < self.rest), givers):
            rows = read(ids)
            gain = rows - price - profit[ids, None]
            own = _ranges(starts[ids], starts[ids + 1])
            gain[np.repeat(np.arange(len(ids)), starts[ids + 1] - starts[ids]), self.giver[own]] = -np.inf
            best = _largest(gain, ids, most)
            row, place = np.nonzero(np.take_along_axis(gain, best, axis=1) > least)
            giver = best[row, place]
            new.append((ids[row], giver, rows[row, giver]))
        if not any(len(part[0]) for part in new):
            return False
        asker, giver, score = (np.concatenate(parts) for parts in zip(*new, strict=True))
        if len(self.asker) + len(asker) > MOST:
            raise TooLarge(f"an assignment of {askers} x {givers} needs more than {MOST} candidates")
        self.asker = np.append(self.asker, asker.astype(np.int32))
        order = np.argsort(self.asker, kind="stable")
        self.asker = self.asker[order]
        self.giver = np.append(self.giver, giver.astype(np.int32))[order]
        self.score = np.append(self.score, score)[order]
        return True


def _largest(scores: np.ndarray, ids: np.ndarray, count: int) -> np.ndarray:
    """The places of the `count` largest of each row, the smallest of them last.

    Each row is searched from another place: where a thousand givers are worth the same, askers
    that all list the same few of them would wait for each other.
    """
    givers = scores.shape[1]
    if count >= givers:
        return np.broadcast_to(np.arange(givers), scores.shape)
    starts = ids * 2654435761 % givers
    turned = np.empty_like(scores)
    for row, start in enumerate(starts):
        np.negative(scores[row, start:], out=turned[row, : givers - start])
        np.negative(scores[row, :start], out=turned[row, givers - start :])
    best = np.argpartition(turned, count - 1, axis=1)[:, :count]
    return (best + starts[:, None]) % givers


def _blocks(ids: np.ndarray, width: int):
    step = rows_per_block(width)
    return (ids[start : start + step] for start in range(0, len(ids), step))


def _ranges(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The integers of every [start, end), one range after the other."""
    length = ends - starts
    before = np.cumsum(length) - length
    return np.arange(length.sum()) + np.repeat(starts - before, length)
