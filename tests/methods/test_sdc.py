import pytest

from triptych.methods.sdc import method


@pytest.mark.parametrize("modalities", [("video",), ("audio", "text"), ("video", "audio", "text")])
def test_each_modality_learns_from_its_own_clusters(modalities: tuple[str, ...]) -> None:
    made = method(modalities)
    assert {(edge.cluster, edge.student) for edge in made.teaches} == {(m, m) for m in modalities}
    assert {cluster.name: cluster.of for cluster in made.clusters} == {m: (m,) for m in modalities}
    assert made.heads == "reset"
