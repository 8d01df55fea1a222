import pytest

from triptych.errors import UsageError
from triptych.methods.cdc import method


def test_one_clustering_of_everything_teaches_everyone() -> None:
    made = method(("video", "text"))
    assert [cluster.of for cluster in made.clusters] == [("video", "text")]
    assert [(edge.cluster, edge.student) for edge in made.teaches] == [
        ("joint", "video"),
        ("joint", "text"),
    ]
    assert made.cluster("joint").name == "joint"


def test_one_modality_has_nothing_to_be_joined_with() -> None:
    with pytest.raises(UsageError, match="for one, take method=sdc"):
        method(("audio",))
