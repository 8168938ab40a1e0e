"""Measures against scikit-learn's, and against their definitions where they are exact."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medfed.errors import DataError
from medfed.learning.evaluate import accuracy, auc, brier, calibration_curve, calibration_error, evaluate


@st.composite
def predictions(draw):
    """Probabilities with many ties, and both labels."""
    size = draw(st.integers(2, 40))
    value = st.one_of(st.sampled_from([0.0, 0.1, 0.5, 1.0]), st.floats(0, 1))
    scores = np.array(draw(st.lists(value, min_size=size, max_size=size)))
    labels = np.array(draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=size, max_size=size)))
    labels[:2] = 0.0, 1.0
    return scores, labels


@given(predictions())
def test_auc_is_the_share_of_pairs_in_order(case):
    """Exactly the count of its definition: pairs in order, ties for half."""
    scores, labels = case
    twice = sum(
        2 * int(high > low) + int(high == low) for high in scores[labels == 1] for low in scores[labels == 0]
    )
    pairs = int((labels == 1).sum()) * int((labels == 0).sum())
    assert auc(scores, labels) == float(Fraction(twice, 2 * pairs))


@given(predictions())
def test_measures_equal_scikit_learns(case):
    from sklearn import metrics

    scores, labels = case
    assert auc(scores, labels) == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert accuracy(scores, labels) == pytest.approx(metrics.accuracy_score(labels, scores >= 0.5))
    assert brier(scores, labels) == pytest.approx(metrics.brier_score_loss(labels, scores))


@given(predictions())
def test_calibration_is_the_definition(case):
    """Bin by bin: counts add up, means are those of the bin, the error is their weighted distance."""
    scores, labels = case
    curve = calibration_curve(scores, labels)
    assert sum(part.count for part in curve) == labels.size
    expected = 0.0
    shown = iter(curve)
    for index in range(10):
        # As the edges are met in floating point: 0.3 · 10 is 3.
        here = np.minimum(np.floor(scores * 10), 9) == index
        if here.any():
            part = next(shown)
            assert part.predicted == pytest.approx(scores[here].mean())
            assert part.observed == pytest.approx(labels[here].mean())
            expected += here.sum() * abs(part.predicted - part.observed) / labels.size
    assert calibration_error(scores, labels) == pytest.approx(expected)


def test_calibration_curve_equals_scikit_learns():
    from sklearn.calibration import calibration_curve as reference

    random = np.random.default_rng(3)
    scores = random.random(500)
    labels = (random.random(500) < scores).astype(np.float64)
    observed, predicted = reference(labels, scores, n_bins=10)
    curve = calibration_curve(scores, labels)
    assert [part.observed for part in curve] == pytest.approx(observed.tolist())
    assert [part.predicted for part in curve] == pytest.approx(predicted.tolist())


def test_perfect_and_inverted_predictions():
    labels = np.array([0.0, 0.0, 1.0, 1.0])
    best = evaluate(labels, labels)
    assert (best.auc, best.accuracy, best.brier, best.calibration_error, best.count) == (
        1.0,
        1.0,
        0.0,
        0.0,
        4,
    )
    worst = evaluate(1.0 - labels, labels)
    assert (worst.auc, worst.accuracy, worst.brier, worst.calibration_error) == (0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("labels", [[1.0, 1.0], [0.0, 0.0]])
def test_auc_needs_both_labels(labels):
    with pytest.raises(DataError, match="both labels"):
        auc(np.array([0.1, 0.2]), np.array(labels))


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([], [], "at least one record"),
        ([0.5], [0.0, 1.0], "at least one record"),
        ([[0.5]], [[1.0]], "at least one record"),
        ([np.nan, 0.5], [0.0, 1.0], "finite"),
        ([np.inf, 0.5], [0.0, 1.0], "finite"),
        ([0.5, 0.5], [0.0, 2.0], "Labels"),
        ([1.1, 0.5], [0.0, 1.0], "between 0 and 1"),
        ([-0.1, 0.5], [0.0, 1.0], "between 0 and 1"),
    ],
)
def test_refuses_what_is_no_prediction(scores, labels, message):
    for measure in (accuracy, brier, calibration_error):
        with pytest.raises(DataError, match=message):
            measure(np.array(scores), np.array(labels))
