import pytest

from triptych.errors import UsageError
from triptych.methods.xdc import method


def test_two_modalities_teach_each_other() -> None:
    made = method(("video", "audio"))
    assert {(edge.cluster, edge.student) for edge in made.teaches} == {
        ("audio", "video"),
        ("video", "audio"),
    }


def test_of_three_each_has_the_other_two_for_teachers() -> None:
    modalities = ("video", "audio", "text")
    made = method(modalities)
    for student in modalities:
        teachers = {edge.cluster for edge in made.teaches if edge.student == student}
        assert teachers == set(modalities) - {student}
    assert len({edge.head for edge in made.teaches}) == 6
    assert all(cluster.of == (cluster.name,) for cluster in made.clusters)


def test_one_modality_has_nobody_to_learn_from() -> None:
    with pytest.raises(UsageError, match="for one, take method=sdc"):
        method(("video",))
