# SPDX-License-Identifier: Apache-2.0
"""Links, anchors and paths of files in the documentation lead somewhere."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SKIPPED = {'.venv', 'build', 'install', 'log', 'demo_output', '.pytest_cache'}
PAGES = sorted(
    path
    for path in REPOSITORY.rglob('*.md')
    if not SKIPPED & set(path.relative_to(REPOSITORY).parts)
)
PACKAGES = sorted(path.parent.name for path in REPOSITORY.glob('sam_*/package.xml'))
# What is part of a page's text, not of its code.
FENCE = re.compile(r'^( *)```.*?^\1```', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(([^)\s]+)\)')
PATH = re.compile(r'`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|yaml|xml|txt|sh|npz|json|rviz))`')
# Folders of the repository that a path may begin in, and so must exist.
ROOTS = {path.name for path in REPOSITORY.iterdir() if path.is_dir()} - SKIPPED


def prose(text):
    return FENCE.sub('', text)


def anchors(text):
    """Return the anchors of a page's headings, as GitHub and mkdocs make them."""
    found = set()
    for heading in re.findall(r'^#+ +(.+?) *$', prose(text), re.MULTILINE):
        plain = re.sub(r'\[([^]]*)\]\([^)]*\)', r'\1', heading).lower()
        found.add(re.sub(r'[^\w\- ]', '', plain).strip().replace(' ', '-'))
    return found


def broken_links(page, text):
    """Return the relative links of a page that lead nowhere."""
    broken = []
    for link in LINK.findall(prose(text)):
        if re.match(r'[a-z]+:', link):
            continue
        name, _, anchor = link.partition('#')
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (
            anchor and anchor not in anchors(text if target == page else target.read_text())
        ):
            broken.append(link)
    return broken


def missing_paths(page, text):
    """Return the paths in a page's code spans at which there is no file."""
    bases = [REPOSITORY, page.parent, *(REPOSITORY / name for name in PACKAGES)]
    # A package's README names files inside its Python package.
    bases += [REPOSITORY / name / name for name in PACKAGES if page.parent.name == name]
    missing = []
    for path in PATH.findall(prose(text)):
        own = page.parent.name in PACKAGES
        if (own or path.split('/')[0] in ROOTS) and not any((b / path).exists() for b in bases):
            missing.append(path)
    return missing


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_and_paths_of_a_page_lead_somewhere(page):
    text = page.read_text()
    assert not broken_links(page, text)
    assert not missing_paths(page, text)


def test_folders_in_the_architecture_exist():
    text = (REPOSITORY / 'docs/architecture.md').read_text()
    folders = re.findall(r'^\| `(sam_\w+/[\w/]+)`', text, re.MULTILINE)
    assert folders
    assert not [folder for folder in folders if not (REPOSITORY / folder).is_dir()]


def test_every_page_is_in_the_site():
    site = (REPOSITORY / 'mkdocs.yml').read_text()
    pages = {path.name for path in (REPOSITORY / 'docs').glob('*.md')}
    assert pages == set(re.findall(r': (\w+\.md)$', site, re.MULTILINE))


def test_what_leads_nowhere_is_found():
    page = REPOSITORY / 'docs/security.md'
    text = '# A b\n[x](#a-b) [y](#c) [z](nowhere.md) [r](../README.md#nowhere)\n`docs/none.md`'
    assert broken_links(page, text) == ['#c', 'nowhere.md', '../README.md#nowhere']
    assert missing_paths(page, text) == ['docs/none.md']
