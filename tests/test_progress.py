import pytest

from triptych import progress


def test_items_pass_through_and_standard_output_stays_clean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(progress.track(iter("abc"), 3, "reading")) == ["a", "b", "c"]
    progress.say("done")
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err == "done\n"


def test_long_work_says_how_far_it_is_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """6 s an item: a line after 12 s, when 2 of 10 are done and 8 times 6 s are left, the next
    one after twice as long a pause."""
    clock = iter(range(0, 100, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    list(progress.track(range(10), 10, "reading"))
    assert capsys.readouterr().err.splitlines() == [
        "reading: 2 of 10, 48 s left",
        "reading: 6 of 10, 24 s left",
    ]


def test_on_a_terminal_there_is_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress.track(range(4), 4, "reading")) == [0, 1, 2, 3]
    assert capsys.readouterr().out == ""
