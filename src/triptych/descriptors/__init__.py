"""Fixed descriptors of clips, made once and never learned."""
