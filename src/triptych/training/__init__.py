"""The loop: refresh, step, save."""
