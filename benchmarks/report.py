# SPDX-License-Identifier: Apache-2.0
"""How a benchmark reports: a table for people, a JSON file for everything else."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OUTPUT_DIR = Path(__file__).parent.parent / 'build' / 'bench'
PACKAGES = ('numpy', 'opencv-python-headless', 'torch', 'segment-anything', 'sam2', 'mujoco')


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Parameters
    ----------
    name : str
    value : float
    unit : str
    goal : str
        What an issue asks for, as in '>= 0.80'; empty: nothing.
    ok : bool or None
        Whether the goal is met; None: there is none.
    detail : str
        How it was measured.

    """

    name: str
    value: float
    unit: str
    goal: str = ''
    ok: bool | None = None
    detail: str = ''


def at_least(name: str, value: float, unit: str, goal: float, detail: str = '') -> Figure:
    """Return a figure that should not be lower than its goal."""
    return Figure(name, value, unit, f'>= {goal:g}', value >= goal, detail)


def at_most(name: str, value: float, unit: str, goal: float, detail: str = '') -> Figure:
    """Return a figure that should not be higher than its goal."""
    return Figure(name, value, unit, f'<= {goal:g}', value <= goal, detail)


def write(benchmark: str, figures: list[Figure], *, device: str = '') -> None:
    """Print the figures as a table and write them to build/bench/BENCHMARK.json."""
    machine = hardware(device)
    print(f'\n{benchmark}: ' + ', '.join(f'{key} {value}' for key, value in machine.items()))
    width = max(len(figure.name) for figure in figures)
    for figure in figures:
        verdict = {None: '', True: 'ok', False: 'MISSED'}[figure.ok]
        print(
            f'  {figure.name:<{width}}  {figure.value:>10.4g} {figure.unit:<8} '
            f'{figure.goal:<10} {verdict:<7} {figure.detail}'
        )
    OUTPUT_DIR.mkdir(parents=True, exist_ok=True)
    report = [{'name': 'machine', **machine}, *(asdict(figure) for figure in figures)]
    (OUTPUT_DIR / f'{benchmark}.json').write_text(json.dumps(report, indent=2) + '\n')


def hardware(device: str = '') -> dict[str, str]:
    """Return the processor, the accelerator if any, and the versions of what was measured."""
    cpu = platform.processor() or platform.machine()
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            cpu = line.partition(':')[2].strip()
            break
    machine = {'cpu': cpu, 'python': platform.python_version()}
    if device:
        machine['device'] = device
    for package in PACKAGES:
        try:
            machine[package] = version(package)
        except PackageNotFoundError:
            continue
    return machine
