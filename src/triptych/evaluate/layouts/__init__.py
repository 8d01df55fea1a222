"""Labelled sets in the layouts that their authors gave out, one module each, found by its name."""
