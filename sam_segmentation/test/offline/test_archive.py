# SPDX-License-Identifier: Apache-2.0
import math
import os
import pickle
import zipfile

import numpy as np
import pytest

from sam_segmentation.offline import archive
from sam_segmentation.offline.archive import load_archive, save_archive

CONTENT = {
    'mask': np.eye(50, dtype=bool),
    'features': [np.arange(6, dtype=np.float16).reshape(2, 3), {'array': 3, 'dict': {'x': None}}],
    'text': '\u00fc\n',
    'truth': True,
    'numbers': [1, 2.5, -(2**40), np.float32(0.1), np.int64(7)],
    'nan': math.nan,
    '': np.zeros((0, 3)),
    'none': {},
}


def same(first, second):
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second or (first != first and second != second)


def test_what_is_saved_is_loaded(tmp_path):
    save_archive(tmp_path / 'a.npz', CONTENT)
    assert same(CONTENT, load_archive(tmp_path / 'a.npz'))
    assert 'mask' in load_archive(tmp_path / 'a.npz')


@pytest.mark.parametrize('bad', [object(), {1: 2}, {1}, b'x', np.array([object()])])
def test_what_cannot_be_stored_is_refused(bad, tmp_path):
    with pytest.raises((TypeError, ValueError)):
        save_archive(tmp_path / 'a.npz', {'bad': [bad]})


class Trap:
    def __reduce__(self):
        return (pytest.fail, ('a pickle was run',))


def traps(path):
    save_archive(path, CONTENT)
    whole = path.read_bytes()
    yield 'cut', lambda: path.write_bytes(whole[: len(whole) // 2])
    yield 'empty', lambda: path.write_bytes(b'')
    # The first bytes of the first array's content.
    at = whole.index(b'NUMPY') + 20
    yield 'flipped', lambda: path.write_bytes(whole[:at] + b'\xff' + whole[at + 1 :])
    yield 'pickle', lambda: path.write_bytes(pickle.dumps(Trap()))
    yield 'no structure', lambda: entries(path, {'array0.npy': b''})
    yield 'no array', lambda: entries(path, {'structure.json': b'{"dict": [["a", {"array": 0}]]}'})
    yield 'list', lambda: entries(path, {'structure.json': b'[]'})
    yield 'odd', lambda: entries(path, {'structure.json': b'{"dict": [1]}'})
    yield 'nested', lambda: entries(path, {'structure.json': b'[' * 100_000})
    array = {'structure.json': b'{"dict": [["a", {"array": 0}]]}'}
    yield 'array of pickles', lambda: entries(path, {**array, 'array0.npy': pickled()})
    yield 'bare pickle', lambda: entries(path, {**array, 'array0.npy': pickle.dumps(Trap())})
    yield 'endless', lambda: entries(path, {**array, 'array0.npy': endless()})


def entries(path, content):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def pickled():
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    return npy(header) + pickle.dumps(Trap())


def endless():
    return npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }")


def npy(header):
    return b'\x93NUMPY\x01\x00' + (len(header) + 1).to_bytes(2, 'little') + header + b'\n'


def test_what_is_damaged_or_evil_is_refused(tmp_path):
    path = tmp_path / 'a.npz'
    for name, write in traps(path):
        write()
        with pytest.raises(ValueError):  # noqa: PT011  (whatever it says)
            pytest.fail(f'{name}: {load_archive(path)}')


def test_an_archive_that_unpacks_to_more_than_any_snapshot_is_refused(tmp_path, monkeypatch):
    path = tmp_path / 'a.npz'
    save_archive(path, {'mask': np.zeros((1000, 1000), bool)})
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(archive, 'MAX_UNPACKED_BYTES', 100_000)
    with pytest.raises(ValueError, match='more than any snapshot'):
        load_archive(path)


def test_an_archive_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.npz')
    with pytest.raises(ValueError, match='is a pipe'):
        load_archive(tmp_path / 'a.npz')
