"""Every benchmark that needs no data of the user's: `make bench`.

Those on real clips take a folder: benchmarks.decoding --data, and benchmarks.memory and
benchmarks.moments.
"""

from __future__ import annotations

import runpy
import sys

NAMES = (
    *("kmeans", "neighbours", "search", "training", "round"),
    *("manifest_growth", "describe_growth", "fisher", "trajectories"),
)
for name in NAMES:
    sys.argv = [name]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
