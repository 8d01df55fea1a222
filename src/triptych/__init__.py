"""Deep clustering of unlabelled, narrated video."""
