import pytest

from triptych.errors import UsageError
from triptych.methods.method import Cluster, Teach, declare


def test_one_clustering_of_projections_and_one_head_on_all_of_them() -> None:
    method = declare("jdc", ("video", "text"))
    assert method.clusters == (Cluster("joint", of=("video", "text"), projected=True),)
    assert method.teaches == (Teach("joint", ("video", "text")),)
    assert method.projection == 512
    assert method.teaches[0].head == "joint_teaches_video+text"


def test_one_modality_is_refused() -> None:
    with pytest.raises(UsageError, match="two or three modalities"):
        declare("jdc", ("video",))
