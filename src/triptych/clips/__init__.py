"""Manifest row to tensors: decoding, sampling in time, the clip cache."""
