"""Generators whose truth is known: dictionaries, codes, hierarchy."""
