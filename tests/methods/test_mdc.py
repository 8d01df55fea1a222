import pytest

from triptych.errors import UsageError
from triptych.methods.mdc import method


@pytest.mark.parametrize("modalities", [("video", "audio"), ("video", "audio", "text")])
def test_everyone_teaches_everyone_and_itself(modalities: tuple[str, ...]) -> None:
    made = method(modalities)
    assert {(edge.cluster, edge.student) for edge in made.teaches} == {
        (teacher, student) for teacher in modalities for student in modalities
    }
    assert len({edge.head for edge in made.teaches}) == len(modalities) ** 2
    assert {cluster.name: cluster.of for cluster in made.clusters} == {m: (m,) for m in modalities}


def test_one_modality_has_no_second_head() -> None:
    with pytest.raises(UsageError, match="for one, take method=sdc"):
        method(("text",))
