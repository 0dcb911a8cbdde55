"""Residual products: z = r Eᵀ + o anew at every step; 2·k·dim·width operations a row, no table."""

from mpsae.largest import first_max
from mpsae.routes.product import product
from mpsae.routes.way import Way


def _prepare(book, gram):
    return ()


def _start(book, tables, x, rule):
    return ()


def _pick(book, tables, state, residual, view):
    index = first_max(view(book.shifted(product(residual, book.rows))))
    return index, book.weigh(residual, index), True


def _advance(book, tables, state, index, value):
    return ()


WAY = Way(_prepare, _start, _pick, _advance)
