"""Videos to fixed descriptors, which nothing has learned from labels."""
