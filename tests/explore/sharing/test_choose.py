import pytest

from triptych.errors import UsageError
from triptych.explore.sharing.choose import automatic, ending, parse


def test_numbers_are_of_the_only_clustering_or_say_of_which() -> None:
    assert parse(["3", "12", "3"], 1) == [[3, 12]]
    assert parse(["2:5", "1:0", "2:7"], 2) == [[0], [5, 7]]
    assert parse([], 2) == [[], []]


@pytest.mark.parametrize(
    ("word", "count", "says"),
    [
        ("x", 1, "give a number"),
        ("-1", 1, "give a number"),
        ("a:1", 2, "give a number"),
        ("5", 2, "write 1:5 or 2:5"),
        ("3:5", 2, "there is no source 3"),
        ("0:5", 2, "there is no source 0"),
    ],
)
def test_other_words_are_refused(word: str, count: int, says: str) -> None:
    with pytest.raises(UsageError, match=f"--cluster {word}: .*{says}"):
        parse([word], count)


def test_the_best_in_motion_then_in_scene_then_some_at_random_none_twice() -> None:
    scores = {"motion": {0: 0.9, 1: 0.2, 2: 0.8, 3: 0.3}, "scene": {0: 0.9, 1: 0.5, 2: 0.6, 3: 0.5}}
    found = automatic(scores, range(6), 1, seed=0)
    assert list(found)[:2] == [0, 2]
    assert found[0] == "most alike in motion of 4"
    assert found[2] == "2nd most alike in scene of 4"
    assert len(found) == 3
    (last,) = set(found) - {0, 2}
    assert found[last] == "drawn at random"
    assert automatic(scores, range(6), 1, seed=0) == found
    drawn = {tuple(automatic(scores, range(6), 1, seed=seed)) for seed in range(20)}
    assert {some[2] for some in drawn} == {1, 3, 4, 5}


def test_labels_and_few_clusters_are_said() -> None:
    found = automatic({"motion": {1: 0.0, 0: 0.0}, "scene": {}}, [0, 1], 5, 0, {"motion"})
    assert found == {0: "purest in motion of 2", 1: "2nd purest in motion of 2"}


def test_ordinals() -> None:
    words = [f"{n}{ending(n)}" for n in (1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111)]
    assert words == "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 103rd 111th".split()
