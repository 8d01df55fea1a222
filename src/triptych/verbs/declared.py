"""``methods``: the declarations, as a table."""

from __future__ import annotations

from typing import Any


def methods() -> dict[str, Any]:
    """The deep-clustering methods: what each clusters, and who teaches whom."""
    from triptych.errors import UsageError
    from triptych.methods.method import declare, names

    rows = []
    for name in names():
        for modalities in (("video",), ("video", "audio"), ("video", "audio", "text")):
            try:
                method = declare(name, modalities)
            except UsageError:
                continue
            rows.append(
                {
                    "method": name,
                    "modalities": ", ".join(modalities),
                    "clusters": "; ".join(
                        "+".join(f"fc({name})" if item.projected else name for name in item.of)
                        for item in method.clusters
                    ),
                    "teacher → student": ", ".join(
                        f"{edge.cluster}→{'+'.join(edge.students)}" for edge in method.teaches
                    ),
                    "terms": ", ".join(
                        ["pseudo-label"]
                        + [
                            f"triplet {c.term}, other cluster of {c.apart}"
                            for c in method.contrasts
                        ]
                    ),
                    "heads": method.heads,
                }
            )
    return {"methods": rows}
