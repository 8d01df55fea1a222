"""Improved dense trajectories as operations on whole batches, in torch, for a GPU."""
