"""Descriptors of videos, one module each, found by its name."""
