# SPDX-License-Identifier: Apache-2.0
"""The worker answers every request once, in turn with the newest job of the stream."""

from threading import Event

import pytest

from sam_segmentation.core.worker import BusyError, Worker


@pytest.fixture
def blocked():
    """A worker whose thread is held by a running request until `release` is set."""
    errors = []
    worker = Worker(max_pending=3, on_stream_error=errors.append)
    worker.errors = errors
    running, worker.release = Event(), Event()
    worker.submit(lambda: (running.set(), worker.release.wait(10)))
    assert running.wait(10)
    yield worker
    worker.release.set()
    worker.stop()


def test_requests_run_in_order_and_only_the_newest_stream_job_in_turn(blocked):
    order = []
    requests = [blocked.submit(lambda n=n: order.append(f'request {n}')) for n in range(3)]
    for number in range(5):
        blocked.offer(lambda n=number: order.append(f'frame {n}'))
    blocked.release.set()
    for request in requests:
        request.result(10)
    assert order == ['frame 4', 'request 0', 'request 1', 'request 2']
    assert blocked.replaced == 4


def test_requests_do_not_starve_the_stream(blocked):
    order = []

    def frame():
        order.append('frame')
        blocked.offer(frame)

    blocked.offer(frame)
    requests = [blocked.submit(lambda: order.append('request')) for _ in range(3)]
    blocked.release.set()
    for request in requests:
        request.result(10)
    assert order[:6] == ['frame', 'request'] * 3


def test_one_request_too_many_is_refused(blocked):
    for _ in range(3):
        blocked.submit(lambda: None)
    with pytest.raises(BusyError, match='3 requests are waiting'):
        blocked.submit(lambda: None)


def test_an_error_goes_to_whoever_asked(blocked):
    request = blocked.submit(lambda: 1 / 0)
    blocked.offer(lambda: [][1])
    after = blocked.submit(lambda: 'alive')
    blocked.release.set()
    assert isinstance(request.exception(10), ZeroDivisionError)
    assert after.result(10) == 'alive'
    assert [type(error) for error in blocked.errors] == [IndexError]


def test_stopping_refuses_what_waits_and_what_comes(blocked):
    waiting = blocked.submit(lambda: None)
    from threading import Thread

    stopper = Thread(target=blocked.stop)
    stopper.start()
    assert isinstance(waiting.exception(10), BusyError)
    blocked.release.set()
    stopper.join(10)
    with pytest.raises(BusyError, match='activate'):
        blocked.submit(lambda: None)


def test_the_parts_of_a_request_take_turns_with_the_stream_and_with_others(blocked):
    order = []

    def frame():
        order.append('frame')
        blocked.offer(frame)

    def in_parts(name, count):
        for _ in range(count):
            order.append(name)
            yield
        return name

    blocked.offer(frame)
    long = blocked.submit_steps(in_parts('long', 4))
    short = blocked.submit(lambda: order.append('short'))
    blocked.release.set()
    short.result(10)
    assert long.result(10) == 'long'
    assert order[:8] == ['frame', 'long', 'frame', 'short', 'frame', 'long', 'frame', 'long']


def test_a_request_in_parts_is_refused_when_the_worker_stops_between_them(blocked):
    running, go_on, closed = Event(), Event(), []

    def steps():
        try:
            running.set()
            assert go_on.wait(10)
            yield
        finally:
            closed.append(True)

    future = blocked.submit_steps(steps())
    blocked.release.set()
    assert running.wait(10)
    from threading import Thread

    stopper = Thread(target=blocked.stop)
    stopper.start()
    while not blocked._stopping:
        stopper.join(0.001)
    go_on.set()
    assert isinstance(future.exception(10), BusyError)
    stopper.join(10)
    assert closed
