"""A checkpoint and a manifest to a table of vectors."""
