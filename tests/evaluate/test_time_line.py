"""Rows of a table on the time line of their file."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from tests.evaluate.test_localization import WORDS, figures, film, steps
from tests.evaluate.test_retrieval import table_of
from triptych.evaluate.localization import localize
from triptych.evaluate.time_line import time_lines


def test_the_rows_of_a_file_in_order_of_time_without_those_that_have_nothing() -> None:
    values = np.arange(4, dtype=np.float32)[:, None]
    table = table_of(
        {"shared_video": (values, np.array([True, True, False, True]))},
        ["y.mp4", "x.mp4", "y.mp4", "y.mp4"],
    )
    place = table.table.column_names.index("start")
    starts = pa.array([5.0, 1.0, 2.0, 0.0])
    table = replace(table, table=table.table.set_column(place, "start", starts))
    ends = pa.array([6.0, 2.0, 3.0, 1.0])
    place = table.table.column_names.index("end")
    table = replace(table, table=table.table.set_column(place, "end", ends))
    found = time_lines(table, {"x.mp4", "y.mp4", "z.mp4"}, ["video"])
    assert found["y.mp4"].spans.tolist() == [[0, 1], [5, 6]]
    assert found["y.mp4"].vectors.tolist() == [[3], [0]]
    assert found["x.mp4"].vectors.tolist() == [[1]]
    assert found["z.mp4"].spans.shape == (0, 2)


def test_rows_that_overlap_are_cut_half_way_between_their_middles() -> None:
    table = film("aaab")
    columns = {"start": [0.0, 1.0, 2.0, 7.0], "end": [2.0, 3.0, 4.0, 9.0]}
    for name, values in columns.items():
        place = table.table.column_names.index(name)
        table = replace(table, table=table.table.set_column(place, name, pa.array(values)))
    line = time_lines(table, {"x.mp4"}, ["video"])["x.mp4"]
    assert line.spans.tolist() == [[0, 1.5], [1.5, 2.5], [2.5, 4], [7, 9]]
    found = localize(table, [steps(("a", 0, 4), ("b", 7, 9))], WORDS)
    assert figures(found)["IoU"] == 1.0
