"""Tensors to loss terms; pure functions."""
