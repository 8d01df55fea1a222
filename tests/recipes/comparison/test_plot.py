from pathlib import Path

from triptych.recipes.comparison.plan import plan
from triptych.recipes.comparison.plot import draw_table


def test_rows_without_figures_are_left_out_and_titles_say_what_is_measured(tmp_path: Path) -> None:
    rows = plan(["sdc:modalities=video"], ["clustering.k=4,8"], vector="vector_video")
    names = [row.name for row in rows if row.kind == "method"]
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    table = [
        {"row": name, "probe": probe, "target": target, **figure}
        for name in names
        for probe, target in (("linear", "action"), ("retrieval R@1", "clip"))
    ]
    table.append({"row": "random", "probe": "retrieval R@1", "target": "clip", "value": None})
    assert draw_table(tmp_path, rows, table) == str(tmp_path / "plot.png")
    text = (tmp_path / "plot.svg").read_text()
    assert "action, linear accuracy" in text
    assert "clip, retrieval R@1<" in text
    assert draw_table(tmp_path / "none", rows, table[-1:]) is None
