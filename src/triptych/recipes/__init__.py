"""Named runs: from a folder to everything."""
