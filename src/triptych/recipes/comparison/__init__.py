"""The parts of ``compare``: plan, clips, runs, scores, table."""
