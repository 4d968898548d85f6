"""Choices among nearly equal numbers: the first, however their last digits fall."""

from __future__ import annotations

import numpy as np
import pytest

from videnhance.imaging.choice import best_first, first_of_best, reaches, spread


def test_the_best_is_first_and_of_nearly_equal_ones_the_first() -> None:
    assert first_of_best([0.2, 0.9, 0.5]) == 1
    assert first_of_best([0.89, 0.9, 0.5], within=0.02) == 0
    assert first_of_best([0.87, 0.9, 0.5], within=0.02) == 1
    assert first_of_best([80.0, 90.1, 100.0], share=0.1) == 1
    assert first_of_best([-100.0, -91.0, -90.0], share=0.02) == 1
    with pytest.raises(ValueError, match="empty"):
        first_of_best([])


def test_all_are_put_in_order_each_against_the_best_that_is_left() -> None:
    assert best_first([1.0, 3.0, 2.0]) == [1, 2, 0]
    # A chain of near equals: 0.98 is level with 1.0, 0.96 with neither until 1.0 is taken.
    assert best_first([0.96, 0.98, 1.0], within=0.02) == [1, 2, 0]
    assert best_first([]) == []


@pytest.mark.parametrize("shake", [1e-6, 1e-3])
def test_shaken_ties_stay_in_order(shake: float) -> None:
    rng = np.random.default_rng(5)
    values = np.array([0.5, 0.5, 0.8, 0.5, 0.8])
    for _ in range(100):
        shaken = values + rng.uniform(-shake, shake, len(values))
        assert best_first([*shaken], within=0.005) == [2, 4, 0, 1, 3]


def test_a_length_that_lacks_a_last_digit_reaches_its_limit() -> None:
    lengths = np.array([15.9, 15.999, 16.0, np.nextafter(16.0, 0), 17.0])
    np.testing.assert_array_equal(reaches(lengths, 16.0), [False, True, True, True, True])


def test_indices_are_spread_evenly_in_whole_numbers() -> None:
    assert spread(3, 11) == (0, 5, 10)
    assert spread(12, 100) == tuple(round(k * 9) for k in range(12))
    # Halves go to the even one, exactly: 2.5 and 7.5.
    assert spread(5, 11) == (0, 2, 5, 8, 10)
    assert spread(1, 9) == (0,)
    assert spread(0, 9) == ()
    for count, total in ((7, 100), (32, 4097), (12, 12)):
        found = spread(count, total)
        assert (found[0], found[-1], len(set(found))) == (0, total - 1, count)
