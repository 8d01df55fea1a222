"""A wall of clips for chosen clusters: what their members share in motion and in scene."""
