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
    """6 s an item: a line after 12 s, when 2 of 5 are done and 3 times 6 s are left, and so on."""
    clock = iter(range(0, 100, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    list(progress.track(range(5), 5, "reading"))
    assert capsys.readouterr().err.splitlines() == [
        "reading: 2 of 5, 18 s left",
        "reading: 4 of 5, 6 s left",
    ]


def test_on_a_terminal_there_is_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    assert list(progress.track(range(4), 4, "reading")) == [0, 1, 2, 3]
    assert capsys.readouterr().out == ""
