"""Keeps each customer's whole story."""
