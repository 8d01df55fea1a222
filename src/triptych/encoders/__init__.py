"""Tensors to features: the encoder protocol and the networks."""
