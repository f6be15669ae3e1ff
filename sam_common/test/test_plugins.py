# SPDX-License-Identifier: Apache-2.0
"""What other packages offer by entry points, in whatever state those packages are."""

import sys

import pytest

from sam_common.errors import PluginError, SamError
from sam_common.plugins import Plugins

GROUP = 'sam_common.test_things'


class UnknownThingError(SamError):
    pass


@pytest.fixture
def things():
    made = Plugins('thing', GROUP, dict, UnknownThingError)
    made.register('own', 'builtins:dict', aliases=('mine',))
    return made


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a package with entry points ahead of all others."""

    def install(name, points, source='', *, version='1.0', metadata=True):
        folder = tmp_path / f'{name}-{version}'
        info = folder / f'{name.replace("-", "_")}-{version}.dist-info'
        info.mkdir(parents=True)
        (folder / f'{name.replace("-", "_")}.py').write_text(source)
        (info / 'entry_points.txt').write_text(points)
        if metadata:
            (info / 'METADATA').write_text(
                f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
            )
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, name.replace('-', '_'), raising=False)

    return install


def test_what_another_package_offers_is_made_and_imported_only_then(things, install):
    install(
        'th-irs',
        f'[{GROUP}]\ntheirs = th_irs:load\n',
        'def load(name, *, size):\n    return {name: size}\n',
    )
    assert things.names() == ['own', 'theirs']
    found = things.find('theirs')
    assert found.package == 'th-irs 1.0'
    assert 'th_irs' not in sys.modules
    assert things.make(found, found.name, size=3) == {'theirs': 3}
    assert things.make(things.find('own'), a=1) == {'a': 1}


def test_an_unknown_name_lists_those_of_other_packages(things, install):
    install('theirs', f'[{GROUP}]\ntheirs = theirs:load\n')
    with pytest.raises(UnknownThingError) as caught:
        things.find('nobody', ', or a path')
    assert str(caught.value) == "unknown thing 'nobody'; known are own, theirs, or a path"


@pytest.mark.parametrize('name', ['own', 'mine'])
def test_a_name_that_is_taken_names_both_packages_once_it_is_asked_for(things, install, name):
    install('theirs', f'[{GROUP}]\n{name} = theirs:load\nfree = theirs:load\n')
    assert things.names().count('own') == 1
    assert things.find('free').package == 'theirs 1.0'
    with pytest.raises(PluginError, match=r'by builtins and by theirs 1\.0; uninstall all but'):
        things.find(name)


def test_two_strangers_with_one_name_are_both_named(things, install):
    install('one', f'[{GROUP}]\nsame = one:load\n')
    install('two', f'[{GROUP}]\nsame = two:load\n')
    with pytest.raises(PluginError, match=r'by two 1\.0 and by one 1\.0'):
        things.find('same')
    assert things.find('own').package == 'builtins'


def test_of_two_copies_of_a_package_the_first_on_the_path_counts(things, install):
    install('theirs', f'[{GROUP}]\nkept = theirs:old\ndropped = theirs:old\n', version='1.0')
    install('theirs', f'[{GROUP}]\nkept = theirs:new\n', version='2.0')
    assert things.names() == ['own', 'kept']
    assert things.find('kept').package == 'theirs 2.0'


@pytest.mark.parametrize(
    ('value', 'source', 'cause'),
    [
        ('theirs:load', 'import no_such_module_here', 'ModuleNotFoundError: No module named'),
        ('theirs:load', 'raise SystemExit(3)', 'SystemExit: 3'),
        ('theirs:load', '', "AttributeError: module 'theirs' has no attribute 'load'"),
        ('theirs', '', "'module' object is not callable"),
        ('theirs:', '', 'cannot be made'),
        ('no_such_module_here:load', '', "No module named 'no_such_module_here'"),
        ('theirs:load', 'def load(): pass', 'TypeError: load()'),
        ('theirs:load', 'def load(name): return 3', 'returns a int, not a dict'),
    ],
)
def test_a_broken_one_tells_its_cause_and_its_package(things, install, value, source, cause):
    install('theirs', f'[{GROUP}]\nbroken = {value}\n', source)
    assert things.names() == ['own', 'broken']
    with pytest.raises(PluginError) as caught:
        things.make(things.find('broken'), 'broken')
    assert cause in str(caught.value)
    assert f"the thing 'broken' of theirs 1.0 ({value})" in str(caught.value)
    assert 'uninstall that package' in str(caught.value)


def test_its_own_error_is_handed_on_as_it_is(things, install):
    source = (
        'from sam_common.errors import SamError\n'
        'def load(name):\n    raise SamError("give the weights")\n'
    )
    install('theirs', f'[{GROUP}]\nempty = theirs:load\n', source)
    with pytest.raises(SamError, match=r'^give the weights$'):
        things.make(things.find('empty'), 'empty')


@pytest.mark.parametrize(
    ('points', 'metadata'),
    [
        ('[some.group]\nno equals sign\n', True),
        (f'[{GROUP}]\ntheirs = theirs:load\n', False),
    ],
    ids=['entry_points', 'metadata'],
)
def test_a_damaged_package_harms_no_other_and_is_told(things, install, points, metadata):
    install('whole', f'[{GROUP}]\nwhole = whole:load\n')
    install('damaged', points, metadata=metadata)
    assert things.names() == ['own', 'whole']
    with pytest.raises(UnknownThingError, match=r'damaged-1\.0\.dist-info cannot be read'):
        things.find('theirs')
