"""Asterisk by its REST interface (ARI, docs.asterisk.org): legs are channels, rooms are bridges."""
