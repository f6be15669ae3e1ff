# SPDX-License-Identifier: Apache-2.0
"""The worker answers every request once, in turn with the newest job of the stream."""

from threading import Event, get_ident

import pytest

from sam_common.bounds import MAX_PENDING_BYTES
from sam_common.worker import BusyError, Worker, is_left_running


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
    with pytest.raises(BusyError, match='the worker is stopped'):
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


def test_what_nobody_waits_for_any_more_ends_before_its_next_part(blocked):
    parts, closed_in = [], []

    def steps():
        try:
            while True:
                parts.append(True)
                if len(parts) == 2:
                    late.cancel()
                yield
        finally:
            closed_in.append(get_ident())

    late = blocked.submit_steps(steps())
    never_begun = blocked.submit(lambda: parts.append('never'))
    never_begun.cancel()
    after = blocked.submit(get_ident)
    # The place of one that was cancelled is free again.
    blocked.submit(lambda: None)
    blocked.release.set()
    worker_thread = after.result(10)
    blocked.submit(lambda: None).result(10)
    assert parts == [True, True]
    assert closed_in == [worker_thread]


def test_requests_that_hold_too_much_memory_together_are_refused(blocked):
    half = MAX_PENDING_BYTES // 2
    first = blocked.submit(lambda: 'done', payload=half)
    with pytest.raises(BusyError, match=rf'hold {half >> 20} MiB and this one .*smaller images'):
        blocked.submit(lambda: None, payload=half + 1)
    first.cancel()
    assert blocked.submit(lambda: 'room', payload=half + 1) is not None


def test_a_part_that_lasts_is_left_to_itself_and_its_request_refused():
    errors = []
    worker = Worker(max_pending=3, on_stream_error=errors.append)
    running, go_on, freed = Event(), Event(), Event()
    stuck = worker.submit(lambda: (running.set(), go_on.wait(10)), what='a long call')
    waiting = worker.submit(lambda: None)
    assert running.wait(10)
    assert worker.at_work[0] == 'a long call'
    assert not worker.stop(freed.set, timeout_s=0.01)
    for future in (stuck, waiting):
        with pytest.raises(BusyError, match='the worker was stopped'):
            future.result(0)
    assert is_left_running()
    assert not freed.is_set()
    go_on.set()
    # What the part returns is dropped, and the thread ends when all is free.
    assert freed.wait(10)
    assert worker.stop(timeout_s=10)
    assert errors == []


def test_what_a_job_of_the_stream_does_after_the_end_is_no_news():
    errors = []
    worker = Worker(max_pending=1, on_stream_error=errors.append)
    running, go_on, freed = Event(), Event(), Event()

    def frame():
        running.set()
        go_on.wait(10)
        raise ValueError('its topics are gone')

    worker.offer(frame)
    assert running.wait(10)
    assert not worker.stop(freed.set, timeout_s=0.01)
    go_on.set()
    assert freed.wait(10)
    assert errors == []


def test_what_freeing_raises_goes_to_who_stops():
    worker = Worker(max_pending=1, on_stream_error=print)
    with pytest.raises(ZeroDivisionError):
        worker.stop(lambda: 1 / 0)


def test_a_stream_says_for_how_long_it_waits(blocked):
    assert blocked.stream_waits_s == 0
    blocked.offer(lambda: None)
    first = blocked.stream_waits_s
    blocked.offer(lambda: None)
    # A newer job does not begin the time anew.
    assert blocked.stream_waits_s >= first > 0
    blocked.release.set()
    blocked.submit(lambda: None).result(10)
    assert blocked.stream_waits_s == 0
