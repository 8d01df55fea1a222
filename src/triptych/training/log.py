"""What a run reports as it goes: metrics.jsonl, TensorBoard, one line an epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from triptych.atomic import whole_file
from triptych.errors import UserError
from triptych.progress import say


class Log:
    """Appends one row an epoch. A resumed run drops the rows of epochs that it repeats."""

    def __init__(self, run: Path, epoch: int) -> None:
        self.path = run / "metrics.jsonl"
        rows = [row for row in read_metrics(self.path) if row["epoch"] < epoch]
        with whole_file(self.path) as beside:
            beside.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        self.board = SummaryWriter(str(run / "tensorboard"), purge_step=epoch)

    def write(self, row: Mapping[str, Any], epochs: int) -> None:
        """Record an epoch everywhere."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
            file.flush()
        for name, value in scalars(row):
            self.board.add_scalar(name, value, row["epoch"])
        say(line(row, epochs))

    def close(self) -> None:
        """Flush TensorBoard's events."""
        self.board.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl; a last line cut short by a kill is left out."""
    if not path.is_file():
        return []
    rows = []
    for text in path.read_bytes().splitlines():
        try:
            row = json.loads(text)
        except ValueError:  # of the JSON, or of its UTF-8
            break
        if not isinstance(row, dict) or not isinstance(row.get("epoch"), int):
            raise UserError(f"{path}: not the metrics of a run ({text[:40]!r}); remove the file")
        rows.append(row)
    return rows


def scalars(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every number of a nested row, its name with slashes."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from scalars(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "epoch":
            yield prefix + name, value


def line(row: Mapping[str, Any], epochs: int) -> str:
    """One epoch for the reader of a terminal, below new clusters where it began with them.

    The row of the last clustering, which no epoch follows, has no loss.
    """
    if "loss" not in row:
        return _clusters(row) if row["clusterings"] else f"epochs done: {row['epoch']}"
    loss = f"epoch {row['epoch'] + 1}/{epochs}  loss {sum(row['loss'].values()):.3f}"
    pace = f"{row['clips_per_second']:.0f} clips/s, {row['data_wait']:.0%} waiting for data"
    clusters = f"{_clusters(row)}\n" if row["new_clusters"] and row["clusterings"] else ""
    return f"{clusters}{loss}  {pace}"


def _clusters(row: Mapping[str, Any]) -> str:
    parts = []
    for name, items in _by_name(row["clusterings"]).items():
        again = [item["nmi_previous"] for item in items if item["nmi_previous"] is not None]
        change = f", NMI to last {sum(again) / len(again):.2f}" if again else ""
        rank = row["effective_rank"].get(name)
        shown = "" if rank is None else f", rank {rank:.0f}"
        runs = f" x {len(items)}" if len(items) > 1 else ""
        used = min(item["used"] for item in items)
        parts.append(f"{name}{runs} {used}/{items[0]['k']}{change}{shown}")
    agreement = [
        f"{pair} {value:.2f}" for pair, value in row["agreement"].items() if value is not None
    ]
    return "clusters  " + "; ".join(parts + ["NMI " + ", ".join(agreement)] * bool(agreement))


def _by_name(clusterings: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The runs of one clustering together, as video for video_1, video_2, and so on."""
    found: dict[str, list[Any]] = {}
    for name, item in clusterings.items():
        whole, _, run = name.rpartition("_")
        found.setdefault(whole if run.isdecimal() and whole else name, []).append(item)
    return found
