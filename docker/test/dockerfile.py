# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile as its instructions, by stage; no here-documents."""

import re
from pathlib import Path
from typing import NamedTuple

DOCKER = Path(__file__).parents[1]
REPOSITORY = DOCKER.parent


class Instruction(NamedTuple):
    """One instruction, its continued lines joined."""

    name: str
    value: str

    def words(self) -> list[str]:
        """Return what stands behind the name, without options (--from=...)."""
        return [word for word in self.value.split() if not word.startswith('--')]


def instructions() -> list[Instruction]:
    lines = (DOCKER / 'Dockerfile').read_text().splitlines()
    text = '\n'.join(line for line in lines if not line.lstrip().startswith('#'))
    joined = re.sub(r'\\\n\s*', '', text)
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages() -> list[list[Instruction]]:
    """Return the instructions of each stage; each begins with its FROM."""
    stages: list[list[Instruction]] = []
    for instruction in instructions():
        if instruction.name == 'FROM':
            stages.append([])
        if stages:
            stages[-1].append(instruction)
    return stages


def global_arguments() -> dict[str, str]:
    """Return the defaults of the ARGs before the first FROM."""
    everything = instructions()
    first = next(i for i, instruction in enumerate(everything) if instruction.name == 'FROM')
    return dict(each.value.split('=', 1) for each in everything[:first] if each.name == 'ARG')


def ignored_patterns() -> list[str]:
    lines = (REPOSITORY / '.dockerignore').read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]
