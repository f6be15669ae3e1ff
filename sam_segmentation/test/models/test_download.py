# SPDX-License-Identifier: Apache-2.0
"""Downloads from a server that stalls, breaks off and lies."""

import fcntl
import hashlib
import json
import os
import random
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models import download as download_module
from sam_segmentation.models import transfer
from sam_segmentation.models.catalogue import CATALOGUE, KnownCheckpoint
from sam_segmentation.models.checkpoints import resolve_checkpoint
from sam_segmentation.models.download import download, main
from sam_segmentation.models.transfer import Patience

CONTENT = random.Random(1).randbytes(1 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
QUICK = Patience(timeout_s=0.2, attempts=4, pause_s=0.0)


class Handler(BaseHTTPRequestHandler):
    """Answers as its server's list of behaviours says, one per request; the last one stays."""

    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        script = self.server.script
        self.server.requests.append(dict(self.headers))
        behaviour = script.pop(0) if len(script) > 1 else script[0]
        self.close_connection = True
        behaviour(self)

    def log_message(self, *_):
        pass

    def send_head(self, status, length, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header('Content-Length', str(length))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()


def whole(handler, content=CONTENT, etag='"v1"', length=None):
    handler.send_head(200, len(content) if length is None else length, ETag=etag)
    handler.wfile.write(content)


def ranged(handler, content=CONTENT, etag='"v1"'):
    asked = handler.headers.get('Range')
    if asked is None or handler.headers.get('If-Range') != etag:
        return whole(handler, content, etag)
    start = int(asked.removeprefix('bytes=').rstrip('-'))
    if start >= len(content):
        return handler.send_head(416, 0, Content_Range=f'bytes */{len(content)}')
    span = f'bytes {start}-{len(content) - 1}/{len(content)}'
    handler.send_head(206, len(content) - start, Content_Range=span, ETag=etag)
    handler.wfile.write(content[start:])


def breaks_off(handler):
    handler.send_head(200, len(CONTENT), ETag='"v1"')
    handler.wfile.write(CONTENT[:HALF])


def stalls(handler):
    breaks_off(handler)
    handler.wfile.flush()
    handler.server.released.wait(10)


def says_nothing(handler):
    handler.server.released.wait(10)


def answers(status, content=b'', **headers):
    def behave(handler):
        handler.send_head(status, len(content), **headers)
        handler.wfile.write(content)

    return behave


@pytest.fixture
def server():
    http = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    http.daemon_threads = True
    http.requests, http.script, http.released = [], [ranged], threading.Event()
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield http
    http.released.set()
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def case(server, tmp_path, monkeypatch):
    monkeypatch.setenv('SAM_CHECKPOINT_DIR', str(tmp_path))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    url = f'http://127.0.0.1:{server.server_port}/weights.pt'
    return SimpleNamespace(
        server=server,
        folder=tmp_path,
        target=tmp_path / 'weights.pt',
        part=tmp_path / 'weights.pt.part',
        known=KnownCheckpoint('tiny', url, len(CONTENT), DIGEST),
        unknown=KnownCheckpoint('tiny', url, None, None),
    )


def run(case, *script, known=None, **options):
    case.server.script[:] = script or (ranged,)
    return download(known or case.known, case.folder, patience=QUICK, **options)


def check_complete(case):
    assert case.target.read_bytes() == CONTENT
    left = {path.name for path in case.folder.iterdir()}
    assert left - {'digests.json', 'weights.pt.sha256'} == {'weights.pt'}


def check_nothing_under_the_final_name(case):
    assert not case.target.exists()


def test_a_file_arrives_whole(case):
    assert run(case) == case.target
    check_complete(case)


def test_a_file_that_is_there_is_not_fetched_again(case):
    run(case)
    run(case)
    assert len(case.server.requests) == 1


def test_a_damaged_file_is_fetched_again(case):
    case.target.write_bytes(CONTENT[:-1])
    run(case)
    check_complete(case)


@pytest.mark.parametrize('fault', [breaks_off, stalls])
def test_a_broken_connection_goes_on_where_it_ended(case, fault):
    run(case, fault, ranged)
    check_complete(case)
    first, second = case.server.requests
    assert 'Range' not in first
    assert second['Range'] == f'bytes={HALF}-'
    assert second['If-Range'] == '"v1"'


def test_a_later_call_goes_on_where_the_first_ended(case):
    with pytest.raises(CheckpointError, match=r'4 attempts.*goes on from here'):
        run(case, breaks_off, says_nothing)
    check_nothing_under_the_final_name(case)
    assert case.part.read_bytes() == CONTENT[:HALF]
    case.server.requests.clear()
    run(case)
    check_complete(case)
    assert case.server.requests[0]['Range'] == f'bytes={HALF}-'


def test_a_server_that_ignores_ranges_starts_anew(case):
    run(case, breaks_off, whole)
    check_complete(case)
    assert 'Range' in case.server.requests[1]


def test_a_file_that_changed_on_the_server_starts_anew(case):
    def old(handler):
        handler.send_head(200, len(CONTENT), ETag='"v0"')
        handler.wfile.write(bytes(HALF))

    run(case, old, ranged)
    check_complete(case)
    assert case.server.requests[1]['If-Range'] == '"v0"'


@pytest.mark.parametrize('etag', ['W/"weak"', None])
def test_without_a_strong_mark_it_starts_anew(case, etag):
    def unmarked(handler):
        handler.send_head(200, len(CONTENT), **({'ETag': etag} if etag else {}))
        handler.wfile.write(CONTENT[:HALF])

    run(case, unmarked, ranged)
    check_complete(case)
    assert 'Range' not in case.server.requests[1]


def test_a_date_is_a_mark_too(case):
    date = 'Wed, 05 Apr 2023 10:00:00 GMT'

    def dated(handler):
        handler.send_head(200, len(CONTENT), Last_Modified=date)
        handler.wfile.write(CONTENT[:HALF])

    run(case, dated, lambda handler: ranged(handler, etag=date))
    check_complete(case)
    assert case.server.requests[1]['If-Range'] == date


def test_a_range_from_elsewhere_is_not_believed(case):
    def elsewhere(handler):
        handler.send_head(206, HALF, Content_Range=f'bytes 0-{HALF - 1}/{len(CONTENT)}')
        handler.wfile.write(CONTENT[:HALF])

    run(case, breaks_off, elsewhere, ranged)
    check_complete(case)


def test_a_partial_file_longer_than_the_whole_starts_anew(case):
    case.part.write_bytes(CONTENT + b'more')
    notes = case.folder / 'weights.pt.part.json'
    transfer._write_mark(notes, case.known.url, {'ETag': '"v1"'})
    run(case)
    check_complete(case)
    assert len(case.server.requests) == 2  # 416, then from the beginning


def test_a_complete_partial_file_needs_no_network(case):
    case.part.write_bytes(CONTENT)
    run(case, answers(500))
    check_complete(case)
    assert case.server.requests == []


def test_a_bad_beginning_is_thrown_away(case):
    case.part.write_bytes(bytes(HALF))
    notes = case.folder / 'weights.pt.part.json'
    transfer._write_mark(notes, case.known.url, {'ETag': '"v1"'})
    run(case)
    check_complete(case)


def test_a_promise_of_another_length_is_refused(case):
    with pytest.raises(CheckpointError, match='99 bytes of an unknown type where 1048576'):
        run(case, lambda handler: whole(handler, bytes(99)))
    check_nothing_under_the_final_name(case)


def test_a_length_that_is_promised_but_not_kept_is_retried(case):
    with pytest.raises(CheckpointError, match='broke off at 99 of 1048576'):
        run(case, lambda handler: whole(handler, bytes(99), length=len(CONTENT), etag='W/""'))
    check_nothing_under_the_final_name(case)


def test_more_than_promised_is_refused(case):
    def endless(handler):
        handler.send_head(200, None)
        handler.wfile.write(CONTENT + b'more')

    with pytest.raises(CheckpointError, match='more than the 1048576 bytes'):
        run(case, endless)
    check_nothing_under_the_final_name(case)


def test_other_bytes_than_promised_are_refused_and_deleted(case):
    with pytest.raises(CheckpointError, match='instead of') as caught:
        run(case, lambda handler: whole(handler, CONTENT[::-1]))
    assert DIGEST in str(caught.value)
    check_nothing_under_the_final_name(case)
    assert not case.part.exists()


def test_an_error_page_that_claims_success_is_refused(case):
    page = answers(200, b'<html>log in first</html>', Content_Type='text/html')
    with pytest.raises(CheckpointError, match=r'text/html.*login page'):
        run(case, page)
    check_nothing_under_the_final_name(case)


@pytest.mark.parametrize('status', [403, 404, 410])
def test_a_final_refusal_is_not_retried(case, status):
    with pytest.raises(CheckpointError, match=f'answers {status}'):
        run(case, answers(status))
    assert len(case.server.requests) == 1


@pytest.mark.parametrize('status', [429, 500, 503])
def test_a_passing_fault_is_retried(case, status):
    run(case, answers(status), ranged)
    check_complete(case)


def test_attempts_are_bounded(case):
    with pytest.raises(CheckpointError, match='answers 503'):
        run(case, answers(503))
    assert len(case.server.requests) == QUICK.attempts


def test_no_server_at_all_is_said(case):
    known = KnownCheckpoint('tiny', 'http://127.0.0.1:9/weights.pt', 9, DIGEST)
    with pytest.raises(CheckpointError, match=r'127\.0\.0\.1:9.*refused'):
        run(case, known=known)


def test_a_redirect_is_followed(case):
    elsewhere = answers(302, Location='/elsewhere/weights.pt')
    run(case, elsewhere, ranged)
    check_complete(case)


def test_a_redirect_in_circles_ends(case):
    with pytest.raises(CheckpointError, match='302'):
        run(case, answers(302, Location='/weights.pt'))


def test_encryption_is_not_given_up_by_a_redirect():
    request = SimpleNamespace(full_url='https://example.org/weights.pt')
    with pytest.raises(CheckpointError, match='not encrypted'):
        transfer._SecureRedirects().redirect_request(
            request, None, 302, 'Found', {}, 'http://example.org/weights.pt'
        )


@pytest.mark.parametrize('to', ['file:///etc/passwd', 'ftp://127.0.0.1/x'])
def test_a_redirect_to_no_web_address_is_not_followed(case, to):
    with pytest.raises(CheckpointError, match=r'not followed|not allowed|302'):
        run(case, answers(302, Location=to))


def test_a_name_that_does_not_resolve_is_said_soon_and_at_each_attempt(case, monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, 'Name or service not known')

    monkeypatch.setattr(socket, 'getaddrinfo', unknown)
    said, pauses = [], []
    monkeypatch.setattr(transfer.time, 'sleep', pauses.append)
    with pytest.raises(CheckpointError, match='Name or service not known'):
        download(case.known, case.folder, report=said.append, patience=Patience(resolving_s=0.5))
    assert len(said) == 1
    assert 'Name or service not known' in said[0]
    assert sum(pauses) < 20


def test_each_attempt_and_its_cause_are_said(case):
    said = []
    run(case, answers(503), breaks_off, ranged, report=said.append)
    assert len(said) == 2
    assert '503' in said[0]
    assert 'broke off' in said[1]


def trickles(handler):
    handler.send_head(200, len(CONTENT), ETag='"v1"')
    while not handler.server.released.wait(0.02):
        try:
            handler.wfile.write(b'x')
            handler.wfile.flush()
        except OSError:
            return


def test_a_server_that_trickles_is_given_up(case):
    case.server.script[:] = [trickles]
    patience = Patience(timeout_s=0.2, attempts=2, pause_s=0.0)
    with pytest.raises(CheckpointError, match=r'brought \d+ bytes in 0\.2 s'):
        download(case.known, case.folder, patience=patience)


def test_the_time_in_all_is_bounded(case):
    case.server.script[:] = [trickles]
    patience = Patience(timeout_s=5, attempts=9, pause_s=0.0, total_s=0.2)
    with pytest.raises(CheckpointError, match=r'more than 0\.2 s'):
        download(case.known, case.folder, patience=patience)


@pytest.mark.parametrize('length', ['9' * 5000, '-1', '٣', '1e9'])
def test_a_length_that_is_none_is_not_believed(case, length):
    def lies(handler):
        handler.send_response(200)
        handler.wfile.write(b'Content-Length: ' + length.encode() + b'\r\n')
        handler.end_headers()
        handler.wfile.write(CONTENT)

    try:
        run(case, lies)
    except CheckpointError:
        check_nothing_under_the_final_name(case)
    else:
        check_complete(case)


@pytest.mark.parametrize('kind', ['link', 'hard link', 'pipe', 'folder'])
def test_a_partial_file_that_is_no_file_of_ours_is_left_alone(case, kind):
    other = case.folder / 'precious'
    other.write_bytes(b'precious')
    if kind == 'link':
        case.part.symlink_to(other)
    elif kind == 'hard link':
        os.link(other, case.part)
    elif kind == 'pipe':
        os.mkfifo(case.part)
    else:
        case.part.mkdir()
    with pytest.raises(CheckpointError, match=r'no file of this download|cannot be written'):
        run(case)
    assert other.read_bytes() == b'precious'
    assert case.server.requests == []


def test_a_folder_in_the_files_place_is_named(case):
    case.target.mkdir()
    with pytest.raises(CheckpointError, match='is a folder'):
        run(case)


@pytest.mark.parametrize('mark', ['a\r\nHost: b', 'é', '', 7, 'x' * 999])
def test_a_hostile_note_of_the_mark_starts_anew(case, mark):
    case.part.write_bytes(CONTENT[:HALF])
    notes = case.folder / 'weights.pt.part.json'
    transfer._write_mark(notes, case.known.url, {'ETag': '"v1"'})
    notes.write_text(json.dumps({'url': case.known.url, 'mark': mark}))
    run(case)
    check_complete(case)
    assert 'Range' not in case.server.requests[0]


def test_an_unknown_digest_is_pinned_and_holds(case):
    run(case, known=case.unknown)
    check_complete(case)
    pin = case.folder / 'weights.pt.sha256'
    assert pin.read_text() == f'{DIGEST}  weights.pt\n'
    case.target.unlink()
    with pytest.raises(CheckpointError, match=DIGEST):
        run(case, lambda handler: whole(handler, CONTENT[::-1]), known=case.unknown)
    check_nothing_under_the_final_name(case)


def test_a_download_that_runs_already_is_left_alone(case):
    with case.part.open('a+b') as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(CheckpointError, match='another download'):
            run(case)
    assert case.server.requests == []
    run(case)
    check_complete(case)


def test_several_at_once_leave_one_whole_file(case):
    failures = []

    def one():
        try:
            download(case.known, case.folder, patience=QUICK)
        except CheckpointError as error:
            failures.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_complete(case)
    assert len(failures) < len(threads)
    assert all('another download' in failure for failure in failures)


def test_a_full_disk_is_said_before_anything_is_fetched(case, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda _: SimpleNamespace(free=1000))
    with pytest.raises(CheckpointError, match='1 MB more'):
        run(case)
    assert case.server.requests == []


def test_a_folder_that_cannot_be_written_is_named(case):
    (case.folder / 'file').write_bytes(b'')
    with pytest.raises(CheckpointError, match=r'cannot be written.*--dir'):
        download(case.known, case.folder / 'file' / 'folder', patience=QUICK)


def test_progress_goes_from_what_is_there_to_the_whole(case):
    seen = []
    run(case, breaks_off, ranged, progress=lambda have, total: seen.append((have, total)))
    assert seen[0] == (0, len(CONTENT))
    assert (HALF, len(CONTENT)) in seen
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_what_was_downloaded_needs_no_second_digest(case, monkeypatch):
    run(case)
    monkeypatch.setattr('sam_segmentation.models.checkpoints.CATALOGUE', {'tiny': case.known})
    monkeypatch.setattr('sam_segmentation.models.checkpoints.sha256_of', None)
    assert resolve_checkpoint('tiny') == case.target


def test_the_command_prints_where_the_file_is(case, monkeypatch, capsys):
    monkeypatch.setattr(download_module, 'CATALOGUE', {'sam_vit_b': case.known})
    assert main(['vit_b', '--dir', str(case.folder)]) == 0
    assert capsys.readouterr().out == f'{case.target}\n'
    check_complete(case)


def test_the_command_fails_with_one_line(case, monkeypatch, capsys):
    monkeypatch.setattr(download_module, 'CATALOGUE', {'sam_vit_b': case.known})
    case.server.script[:] = [answers(404)]
    assert main(['sam_vit_b']) == 1
    assert capsys.readouterr().err.splitlines()[-1].endswith('answers 404 Not Found')


def test_the_command_lists_what_there_is(case, capsys):
    (case.folder / 'sam2_hiera_tiny.pt').write_bytes(b'')
    assert main(['--list']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CATALOGUE)
    assert [line.split()[0] for line in lines if ' here ' in line] == ['sam2_hiera_tiny']


@pytest.mark.parametrize('name', ['grabcut', 'no_such_model'])
def test_a_model_without_a_download_lists_those_with_one(capsys, name):
    assert main([name]) == 1
    error = capsys.readouterr().err
    assert name in error
    assert 'sam2.1_hiera_large' in error


def test_no_model_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert '--list' in capsys.readouterr().err


def test_a_stopped_download_can_go_on(case, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(download_module, 'download', interrupt)
    assert main(['sam_vit_b']) == 130
    assert 'again to go on' in capsys.readouterr().err


def trickles_after(*parts):
    """Answer in small parts, none of them late, for ever."""

    def behave(handler):
        for part in parts:
            handler.wfile.write(part)
        while not handler.server.released.wait(0.02):
            handler.wfile.write(b'0')

    return behave


@pytest.mark.parametrize(
    'opening',
    [
        b'',
        b'HTTP/1.1 200 OK\r\nX: ',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n',
    ],
    ids=['status', 'header', 'chunk', 'body'],
)
def test_a_server_that_trickles_is_given_up_wherever_it_does(case, opening):
    began = time.monotonic()
    patience = Patience(timeout_s=0.2, attempts=2, pause_s=0.0)
    case.server.script[:] = [trickles_after(opening)]
    with pytest.raises(CheckpointError, match='in 2 attempts'):
        download(case.known, case.folder, patience=patience)
    assert time.monotonic() - began < 8
    check_nothing_under_the_final_name(case)


def test_a_name_server_that_does_not_answer_is_not_waited_for(case, monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(socket, 'getaddrinfo', lambda *_, **__: released.wait(20))
    lines = []
    patience = Patience(name_s=0.1, resolving_s=0.0)
    with pytest.raises(CheckpointError, match=r'1 attempts.*no name server knows 127'):
        download(case.known, case.folder, patience=patience, report=lines.append)
    released.set()
    assert 'attempt 1 of 8 failed' in lines[0]
    assert Patience().name_s + Patience().resolving_s <= 20


def test_an_address_that_is_none_is_retried_and_said(case):
    with pytest.raises(CheckpointError, match='in 4 attempts'):
        run(case, answers(302, Location=f'http://{"a" * 70}..b/x'))
