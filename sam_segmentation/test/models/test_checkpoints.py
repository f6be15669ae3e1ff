# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import os

import pytest

from sam_segmentation import model_names
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models import checkpoints
from sam_segmentation.models.catalogue import CATALOGUE, KnownCheckpoint
from sam_segmentation.models.checkpoints import file_digest, pin_path, resolve_checkpoint

WEIGHTS = b'weights' * 1000
DIGEST = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('SAM_CHECKPOINT_DIR', str(tmp_path))
    return tmp_path


def know(monkeypatch, **fields):
    entry = {'size': len(WEIGHTS), 'sha256': DIGEST, **fields}
    known = KnownCheckpoint('tiny_model', 'https://example.org/a/tiny.pt', **entry)
    monkeypatch.setattr(checkpoints, 'CATALOGUE', {'tiny_model': known})
    return known


def test_every_model_with_weights_is_in_the_catalogue():
    assert set(CATALOGUE) == {
        name for name in model_names() if '_vit_' in name or '_hiera_' in name
    }


@pytest.mark.parametrize('known', CATALOGUE.values(), ids=lambda known: known.model)
def test_a_catalogue_entry_is_complete(known):
    assert known.url.startswith('https://dl.fbaipublicfiles.com/segment_anything')
    assert known.file_name.endswith(('.pt', '.pth'))
    assert known.size > 100e6
    assert len(bytes.fromhex(known.sha256)) == 32


def test_no_two_catalogue_entries_are_the_same_file():
    for field in ('url', 'sha256', 'size', 'file_name'):
        assert len({getattr(known, field) for known in CATALOGUE.values()}) == len(CATALOGUE)


def test_the_known_place(monkeypatch, tmp_path):
    assert checkpoints.checkpoint_dir() == tmp_path
    monkeypatch.delenv('SAM_CHECKPOINT_DIR')
    monkeypatch.setenv('HOME', str(tmp_path / 'home'))
    assert checkpoints.checkpoint_dir() == tmp_path / 'home' / '.cache' / 'sam_segmentation'


def test_a_missing_official_file_names_the_command(folder):
    with pytest.raises(CheckpointError) as caught:
        resolve_checkpoint('sam2.1_hiera_small')
    assert 'python -m sam_segmentation.models.download sam2.1_hiera_small' in str(caught.value)
    assert str(folder / 'sam2.1_hiera_small.pt') in str(caught.value)


def test_a_missing_file_of_ones_own_is_named():
    with pytest.raises(CheckpointError, match=r'/nowhere/mine\.pt'):
        resolve_checkpoint('sam_vit_b', '/nowhere/mine.pt')


def test_a_model_without_a_known_file_needs_one():
    with pytest.raises(CheckpointError, match='give its file'):
        resolve_checkpoint('my.yaml')


def test_a_folder_is_no_checkpoint(folder):
    with pytest.raises(CheckpointError, match='is a folder; give an ordinary file'):
        resolve_checkpoint('sam_vit_b', folder)


def test_a_whole_file_is_found(monkeypatch, folder):
    known = know(monkeypatch)
    (folder / known.file_name).write_bytes(WEIGHTS)
    assert resolve_checkpoint('tiny_model') == folder / known.file_name


def test_a_truncated_file_is_refused(monkeypatch, folder):
    known = know(monkeypatch)
    (folder / known.file_name).write_bytes(WEIGHTS[:-1])
    with pytest.raises(CheckpointError, match='6999 bytes instead of 7000') as caught:
        resolve_checkpoint('tiny_model')
    assert 'download tiny_model' in str(caught.value)


@pytest.mark.parametrize('size', [len(WEIGHTS), None])
def test_other_bytes_are_refused(monkeypatch, folder, size):
    known = know(monkeypatch, size=size)
    (folder / known.file_name).write_bytes(b'W' + WEIGHTS[1:])
    with pytest.raises(CheckpointError, match=DIGEST):
        resolve_checkpoint('tiny_model')


def test_a_file_under_an_official_name_is_checked_wherever_it_lies(monkeypatch, tmp_path):
    known = know(monkeypatch)
    elsewhere = tmp_path / 'elsewhere' / known.file_name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(b'W' + WEIGHTS[1:])
    with pytest.raises(CheckpointError, match='another name'):
        resolve_checkpoint('any_model', elsewhere)
    own = elsewhere.rename(elsewhere.with_name('finetuned.pt'))
    assert resolve_checkpoint('tiny_model', own) == own


def test_a_pinned_file_must_stay_what_it_was(monkeypatch, folder):
    known = know(monkeypatch, size=None, sha256=None)
    path = folder / known.file_name
    path.write_bytes(WEIGHTS)
    assert resolve_checkpoint('tiny_model') == path
    pin_path(path).write_text(f'{DIGEST}  {path.name}\n')
    assert resolve_checkpoint('tiny_model') == path
    path.write_bytes(b'W' + WEIGHTS[1:])
    with pytest.raises(CheckpointError, match=DIGEST):
        resolve_checkpoint('tiny_model')


def test_a_broken_pin_is_named(folder):
    (folder / 'mine.pt').write_bytes(WEIGHTS)
    (folder / 'mine.pt.sha256').write_text('nonsense')
    with pytest.raises(CheckpointError, match='nonsense'):
        resolve_checkpoint('sam_vit_b', folder / 'mine.pt')


def test_a_digest_is_computed_once_per_version_of_a_file(monkeypatch, folder):
    path = folder / 'weights.pt'
    path.write_bytes(WEIGHTS)
    computed = []

    def count(path, compute=checkpoints.sha256_of):
        computed.append(path)
        return compute(path)

    monkeypatch.setattr(checkpoints, 'sha256_of', count)
    assert file_digest(path) == file_digest(path) == DIGEST
    assert len(computed) == 1
    path.write_bytes(b'other')
    assert file_digest(path) == hashlib.sha256(b'other').hexdigest()
    assert len(computed) == 2


@pytest.mark.parametrize('text', ['', '{', '[]', '{"/a": 3}', 'null'])
def test_a_damaged_note_of_digests_does_no_harm(folder, text):
    (folder / 'digests.json').write_text(text)
    (folder / 'weights.pt').write_bytes(WEIGHTS)
    assert file_digest(folder / 'weights.pt') == DIGEST
    assert DIGEST in json.dumps(json.loads((folder / 'digests.json').read_text()))


def test_where_nothing_can_be_noted_the_digest_is_still_right(monkeypatch, tmp_path):
    monkeypatch.setenv('SAM_CHECKPOINT_DIR', os.devnull + '/nowhere')
    (tmp_path / 'weights.pt').write_bytes(WEIGHTS)
    assert file_digest(tmp_path / 'weights.pt') == DIGEST


@pytest.mark.parametrize('kind', ['device', 'pipe', 'loop'])
@pytest.mark.parametrize('name', ['mine.pt', 'mine.pt.sha256'])
def test_neither_a_checkpoint_nor_its_pin_is_waited_for(folder, kind, name):
    (folder / 'mine.pt').write_bytes(WEIGHTS)
    path = folder / name
    path.unlink(missing_ok=True)
    if kind == 'device':
        path.symlink_to('/dev/zero')
    elif kind == 'pipe':
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    with pytest.raises(CheckpointError, match=r'give an ordinary file|cannot be read'):
        resolve_checkpoint('sam_vit_b', folder / 'mine.pt')


@pytest.mark.parametrize('path', ['~nosuchuser/x.pt', 'x' * 5000, 'a/' * 2500 + 'x', 'a\0b'])
def test_a_path_that_cannot_be_one_is_named(path):
    with pytest.raises(CheckpointError, match='give') as caught:
        resolve_checkpoint('sam_vit_b', path)
    assert len(str(caught.value)) < 1000


def test_a_folder_that_cannot_be_one_is_named(monkeypatch):
    monkeypatch.setenv('SAM_CHECKPOINT_DIR', '~nosuchuser')
    with pytest.raises(CheckpointError, match=r'SAM_CHECKPOINT_DIR.*nosuchuser'):
        resolve_checkpoint('sam_vit_b')


def test_a_file_exchanged_at_the_same_size_and_time_is_read_anew(folder):
    path = folder / 'weights.pt'
    path.write_bytes(WEIGHTS)
    assert file_digest(path) == DIGEST
    before = path.stat()
    other = folder / 'other'
    other.write_bytes(b'W' + WEIGHTS[1:])
    other.replace(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file_digest(path) != DIGEST


@pytest.mark.parametrize('text', ['[' * 100_000, '{"a": {"stamp": 1, "sha256": []}}', ' ' * 2**21])
def test_hostile_notes_of_digests_do_no_harm(folder, text):
    (folder / 'digests.json').write_text(text)
    (folder / 'weights.pt').write_bytes(WEIGHTS)
    assert file_digest(folder / 'weights.pt') == DIGEST
