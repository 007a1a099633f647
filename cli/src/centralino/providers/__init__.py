"""Providers of written channels, simulated from their documents: the vendor's side, which shares nothing with ours."""
