"""Labels and embeddings to scores, with their protocol."""
