import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from triptych.descriptors.decimal import lines

FLOATS = st.floats(-1e9, 1e9, width=32)


@settings(deadline=None)  # the first call compiles
@given(rows=arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3)), elements=FLOATS))
def test_numbers_are_written_as_c_writes_them(rows: np.ndarray) -> None:
    """Ties go to the even digit in both: what is printed is the exact value of a float."""
    text = "".join(f"{a:.0f}\t{b:.6f}\t{c:.7f}\t\n" for a, b, c in rows.tolist())
    assert lines(rows, np.array([0, 6, 7])).decode() == text


def test_zero_and_what_is_below_the_last_place() -> None:
    rows = np.array([[0.0, -0.0, 1e-9, -1e-9, 0.5, 1.5, 999999.5]], np.float32)
    wanted = "0.0\t-0.0\t0.0\t-0.0\t0.5\t1.5\t999999.5\t\n"
    assert lines(rows, np.full(7, 1)).decode() == wanted
