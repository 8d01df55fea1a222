"""Features to labels; pure functions."""
