"""Multinomial logistic regression on frozen features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from triptych.errors import UserError
from triptych.evaluate.evaluator import Examples, Floats, Outcome, cross_validate
from triptych.evaluate.folds import Fold, Strings, by_group

# Weight of |W|^2 / 2 beside the mean cross-entropy, strongest first, so that each fit starts from
# the smoother one. In scikit-learn's terms C = 1 / (n * strength).
STRENGTHS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
UNCHOSEN = 1e-2
INNER_FOLDS = 4
# From this many training examples on, one validation part is as good as four.
MANY = 2000


@dataclass(frozen=True)
class LinearProbe:
    """Standardised features, L2 penalty, its strength chosen inside the training part by groups."""

    strengths: tuple[float, ...] = STRENGTHS
    device: str = "cpu"
    name: str = "linear"

    def __call__(self, examples: Examples, seed: int) -> Outcome:
        """Evaluate over the examples' folds; the test part has no say in the strength."""
        usable = examples.usable()
        chosen: dict[str, Choice] = {}

        def predict(train: Floats, labels: Strings, test: Floats, fold: Fold) -> Strings:
            names, codes = np.unique(labels, return_inverse=True)
            groups = usable.groups[fold.train]
            choice = self._choose(train, codes, labels, groups, seed)
            chosen[fold.name] = choice
            path = [value for value in self.strengths if value > choice.strength]
            model = fit(train, codes, [*path, choice.strength], self.device)[-1]
            found: Strings = names[model.logits(test).argmax(1).cpu().numpy()]
            return found

        outcome = cross_validate(examples, predict, seed)
        for fold in outcome.protocol["per_fold"]:
            fold["regularisation"] = chosen[fold["fold"]].strength
            fold["validation_accuracy"] = chosen[fold["fold"]].accuracies
        protocol = {
            "classifier": "multinomial logistic regression: cross-entropy + strength |W|^2 / 2",
            "normalisation": "standardised with the training part's mean and deviation",
            "regularisation_grid": list(self.strengths),
            "regularisation_choice": (
                "highest accuracy on validation parts drawn by group from the training part only "
                f"({INNER_FOLDS} of them, 1 from {MANY} examples on), ties to the stronger; "
                f"{UNCHOSEN} where groups or classes are too few to draw one"
            ),
            **outcome.protocol,
        }
        return Outcome(outcome.measures, outcome.predictions, protocol)

    def _choose(
        self, x: Floats, codes: NDArray[np.int64], labels: Strings, groups: Strings, seed: int
    ) -> Choice:
        if len(self.strengths) == 1:
            return Choice(self.strengths[0])
        try:
            inner = by_group(groups, labels, seed, INNER_FOLDS)
        except UserError:
            return Choice(UNCHOSEN)
        right = np.zeros(len(self.strengths))
        tested = 0
        for fold in inner if len(x) < MANY else inner[:1]:
            if len(np.unique(codes[fold.train])) < 2:
                continue
            tested += len(fold.test)
            models = fit(x[fold.train], codes[fold.train], self.strengths, self.device)
            for place, model in enumerate(models):
                found = model.logits(x[fold.test]).argmax(1).cpu().numpy()
                right[place] += np.count_nonzero(found == codes[fold.test])
        if not tested:
            return Choice(UNCHOSEN)
        return Choice(
            self.strengths[int(right.argmax())],
            dict(zip(map(str, self.strengths), (right / tested).tolist(), strict=True)),
        )


@dataclass(frozen=True)
class Choice:
    """The strength taken, and how each did in validation."""

    strength: float
    accuracies: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A fitted probe."""

    mean: Tensor  # [D]
    scale: Tensor  # [D], 0 for a feature that never varies
    weights: Tensor  # [D, classes]
    bias: Tensor  # [classes]

    def logits(self, x: Floats) -> Tensor:
        """[N, classes] of features [N, D]."""
        there = torch.from_numpy(np.ascontiguousarray(x)).to(self.mean.device)
        return (there - self.mean) * self.scale @ self.weights + self.bias


def fit(
    x: Floats,
    codes: NDArray[np.int64],
    strengths: list[float] | tuple[float, ...],
    device: str = "cpu",
    steps: int = 200,
) -> list[Model]:
    """One model for each strength, each started from the one before. ``codes`` [N] from 0."""
    there = torch.from_numpy(np.ascontiguousarray(x)).to(device)
    deviation, mean = torch.std_mean(there, dim=0, correction=0)
    varies = deviation > 1e-6 * there.abs().amax(0)
    scale = torch.where(varies, 1 / deviation.clamp(min=1e-30), 0)
    there = (there - mean) * scale
    targets = torch.from_numpy(codes).to(device)
    spread, axes = torch.linalg.eigh(there.T @ there / len(there))
    there = there @ axes
    classes = int(codes.max()) + 1
    # Weights along the axes, and the biases in the last row.
    solution = np.zeros((x.shape[1] + 1, classes))
    models = []
    for strength in strengths:
        # The loss is about as curved along every axis once each is divided by this, the curvature
        # where all classes are as likely: a few dozen steps do, where it takes hundreds without.
        curvature = np.append(spread.clamp(min=0).cpu().double().numpy(), 1) / classes + strength
        step = 1 / np.sqrt(curvature)[:, None]
        found = minimize(
            _objective(there, targets, step, strength),
            (solution / step).ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": steps, "gtol": 1e-4, "ftol": 1e-7},
        )
        solution = found.x.reshape(solution.shape) * step
        whole = torch.from_numpy(solution).to(there)
        models.append(Model(mean, scale, axes @ whole[:-1], whole[-1]))
    return models


def _objective(
    x: Tensor, targets: Tensor, step: NDArray[np.float64], strength: float
) -> Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]]:
    """Loss and its gradient at parameters that are to be multiplied by ``step`` [D + 1, 1]."""
    wanted = targets[:, None]
    minus = torch.full_like(wanted, -1, dtype=x.dtype)

    def objective(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        whole = torch.from_numpy(parameters.reshape(len(step), -1) * step).to(x)
        weights, bias = whole[:-1], whole[-1]
        chances = torch.addmm(bias, x, weights).log_softmax(1)
        loss = strength / 2 * weights.square().sum() - chances.gather(1, wanted).mean()
        chances.exp_().scatter_add_(1, wanted, minus).div_(len(x))
        gradient = torch.cat([x.T @ chances + strength * weights, chances.sum(0)[None]])
        return float(loss), (gradient.cpu().double().numpy() * step).ravel()

    return objective
