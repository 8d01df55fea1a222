import csv
from pathlib import Path

import av
import numpy as np
import pytest

from triptych.evaluate.evaluator import Examples, Floats, Strings
from triptych.evaluate.linear_probe import STRENGTHS, UNCHOSEN, LinearProbe, fits


def noisy(rows: int = 600, width: int = 30, classes: int = 4) -> tuple[Floats, np.ndarray]:
    random = np.random.default_rng(0)
    codes = random.integers(classes, size=rows)
    middle = random.standard_normal((classes, width))
    scales = np.geomspace(0.01, 100, width)
    return ((middle[codes] + 2 * random.standard_normal((rows, width))) * scales).astype(
        "f4"
    ), codes


def test_every_fit_is_where_the_stated_loss_is_flat() -> None:
    # The loss is strictly convex, so that this is its one minimum.
    x, codes = noisy()
    standard = ((x - x.mean(0)) / x.std(0)).astype("f8")
    for strength, model in zip(STRENGTHS, fits(x, codes.astype(str), STRENGTHS), strict=True):
        weights, bias = model[-1].coef_.astype("f8"), model[-1].intercept_
        scores = np.exp(standard @ weights.T + bias)
        wrong = scores / scores.sum(1, keepdims=True) - np.eye(4)[codes]
        slope = wrong.T @ standard / len(x) + strength * weights
        at_zero = (1 / 4 - np.eye(4)[codes]).T @ standard / len(x)
        assert np.abs(slope).max() < 2e-3 * np.abs(at_zero).max()
        assert np.abs(wrong.mean(0)).max() < 1e-3


def examples(x: Floats, labels: Strings, **columns: Strings) -> Examples:
    groups = columns.pop("groups", np.arange(len(x)).astype(str))
    return Examples(x, np.ones(len(x), bool), labels, groups, **columns)


def test_the_test_part_has_no_say_in_the_strength() -> None:
    x, codes = noisy()
    split = np.where(np.arange(600) < 400, "train", "test")
    labels = codes.astype(str)
    swapped = labels.copy()
    swapped[400:] = np.random.default_rng(1).permutation(swapped[400:])
    outcomes = [LinearProbe()(examples(x, each, split=split), 0) for each in (labels, swapped)]
    folds = [outcome.protocol["per_fold"][0] for outcome in outcomes]
    assert folds[0]["regularisation"] == folds[1]["regularisation"]
    assert folds[0]["validation_accuracy"] == folds[1]["validation_accuracy"]
    np.testing.assert_array_equal(*(outcome.predictions for outcome in outcomes))
    assert outcomes[0].measures[0].value > outcomes[1].measures[0].value + 0.2


def test_the_strength_is_chosen_by_groups() -> None:
    # Within a group all features and labels are alike, so a validation part that shared groups
    # with training would find the weakest penalty perfect.
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    x = random.standard_normal((40, 60))[groups] + 0.01 * random.standard_normal((400, 60))
    labels = random.integers(2, size=40)[groups].astype(str)
    split = np.where(groups < 30, "train", "test")
    given = examples(x.astype("f4"), labels, groups=groups.astype(str), split=split)
    accuracies = LinearProbe()(given, 0).protocol["per_fold"][0]["validation_accuracy"]
    assert max(accuracies.values()) < 0.8


def test_without_groups_to_choose_from_the_strength_is_the_stated_one() -> None:
    x, codes = noisy(40, classes=2)
    groups = np.where(np.arange(40) < 20, "a", "b")
    split = np.where(np.arange(40) < 20, "train", "test")
    outcome = LinearProbe()(examples(x, codes.astype(str), groups=groups, split=split), 0)
    assert outcome.protocol["per_fold"][0]["regularisation"] == UNCHOSEN
    assert str(UNCHOSEN) in outcome.protocol["regularisation_choice"]


def test_a_feature_that_never_varies_is_ignored() -> None:
    x, codes = noisy()
    with_constant = np.concatenate([x, np.full((600, 1), 7, "f4")], axis=1)
    labels = codes.astype(str)
    plain, more = next(fits(x, labels, (0.1,))), next(fits(with_constant, labels, (0.1,)))
    with_constant[:, -1] = 1e6
    np.testing.assert_allclose(
        plain.decision_function(x), more.decision_function(with_constant), atol=1e-2
    )


def test_classes_of_one_or_two_clips_raise_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    x, _ = noisy(60)
    labels = (np.arange(60) % 40).astype(str)
    outcome = LinearProbe()(examples(x, labels), 0)
    assert outcome.measures[0].value < 0.5
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


def test_statistics_of_the_log_mel_spectrum_score_as_in_the_reference(data: Path) -> None:
    # Measured elsewhere with scikit-learn on the same features: 0.790 over the official folds.
    with (data / "esc10" / "meta" / "esc10.csv").open() as file:
        rows = list(csv.DictReader(file))
    x = np.stack([_log_mel_statistics(data / "esc10" / "audio" / row["filename"]) for row in rows])
    columns = [np.array([row[name] for row in rows]) for name in ("category", "src_file", "fold")]
    given = Examples(x, np.ones(400, bool), columns[0], columns[1], columns[2])
    outcome = LinearProbe(strengths=(0.1,))(given, 0)
    assert outcome.measures[0].value == pytest.approx(0.79, abs=0.02)
    assert outcome.protocol["groups"] == "never in both"


def _log_mel_statistics(path: Path) -> Floats:
    with av.open(str(path)) as container:
        wave = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, 256, mode="reflect"), 512)[::160]
    window = np.pad(np.hanning(401)[:-1], 56)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    log_mel = np.log(power @ _slaney_filters().T + 1e-6)
    return np.concatenate([log_mel.mean(0), log_mel.std(0)]).astype("f4")


def _slaney_filters() -> np.ndarray:
    def mel(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else 15 + np.log(hertz / 1000) * 27 / np.log(6.4)

    points = np.linspace(mel(50), mel(8000), 66)
    edges = np.where(points < 15, points * 200 / 3, 1000 * 6.4 ** ((points - 15) / 27))
    hertz = np.linspace(0, 8000, 257)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, None]
