"""Frozen networks over a collection: rows of features, a store for each stream."""
