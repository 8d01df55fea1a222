"""The narrated demo collection, made from a seed."""
