# SPDX-License-Identifier: Apache-2.0
"""Command lines and namespaces, put together as ros2/launch does."""

import shlex

from ros2_standin.substitutions import Template, Text


def split_words(template: Template) -> list[Template]:
    """Split a command line at the spaces of its text, never within what is substituted."""
    words: list[Template] = []
    word: Template = []
    for part in template:
        if not isinstance(part, Text):
            word.append(part)
            continue
        tokens = shlex.split(part.text)
        if not tokens:  # spaces between two substitutions
            words.append(word)
            word = []
            continue
        if part.text[0].isspace() and word:
            words.append(word)
            word = []
        for token in tokens[:-1]:
            words.append([*word, Text(token)])
            word = []
        word.append(Text(tokens[-1]))
        if part.text[-1].isspace():
            words.append(word)
            word = []
    return [*words, word] if word else words


def join_namespace(base: str | None, name: str | None) -> str | None:
    """Put a name into a namespace, absolute; an absolute name stays as it is.

    None stands for nothing given; of two of these the result is None.
    """
    if base is None and name is None:
        return None
    joined = name if name is not None else base or ''
    if base and name is not None and not name.startswith('/'):
        joined = f'{base.rstrip("/")}/{name}'
    return '/' + joined.strip('/')
