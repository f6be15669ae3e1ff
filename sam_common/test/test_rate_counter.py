# SPDX-License-Identifier: Apache-2.0
"""The rate is that of the last events, and 0 once they stop."""

import pytest

from sam_common.rate_counter import RateCounter


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


def noted(counter, clock, count, period_s):
    for _ in range(count):
        clock.now_s += period_s
        counter.note()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def counter(clock):
    return RateCounter(clock=clock)


@pytest.mark.parametrize('count', [0, 1])
def test_one_event_has_no_rate(counter, clock, count):
    noted(counter, clock, count, 0.1)
    assert counter.rate_hz == 0.0


def test_events_every_tenth_of_a_second_have_a_rate_of_ten(counter, clock):
    noted(counter, clock, 11, 0.1)
    assert counter.rate_hz == pytest.approx(10.0)


def test_only_the_last_thirty_count(counter, clock):
    noted(counter, clock, 5, 1.0)
    noted(counter, clock, 30, 0.05)
    assert counter.rate_hz == pytest.approx(20.0)


def test_the_rate_is_0_once_nothing_came_for_two_seconds(counter, clock):
    noted(counter, clock, 10, 0.1)
    clock.now_s += 1.9
    assert counter.rate_hz == pytest.approx(10.0)
    clock.now_s += 0.2
    assert counter.rate_hz == 0.0
