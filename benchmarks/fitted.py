# SPDX-License-Identifier: Apache-2.0
"""Writes what a script here has fitted as a JSON file, with where it comes from."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

_INNERMOST_LIST = re.compile(r'\[[^\[\]]*\]')


def write(
    path: Path, models: Mapping[str, Any], *, seeds: Iterable[int], figures: Mapping[str, Any]
) -> None:
    """Write fitted models and their provenance.

    Parameters
    ----------
    path : Path
        The file that a package reads its weights from.
    models : mapping
        Numbers by name, as JSON holds them.
    seeds : iterable of int
        The scenes that the models were fitted on.
    figures : mapping
        What was counted and measured meanwhile.

    """
    provenance = {
        'script': f'benchmarks/{Path(sys.argv[0]).name}',
        'seeds': ranges(seeds),
        'date': datetime.now(timezone.utc).date().isoformat(),
        'figures': figures,
    }
    text = json.dumps({'provenance': provenance, 'models': models}, indent=1)
    # One row of a matrix per line, so that a difference can be read.
    text = _INNERMOST_LIST.sub(lambda row: f'[{" ".join(row[0][1:-1].split())}]', text)
    path.write_text(text + '\n', encoding='utf-8')


def ranges(seeds: Iterable[int]) -> str:
    """Return seeds as in '0 to 5, 8', those that follow each other as one range."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ', '.join(f'{low} to {high}' if high > low else f'{low}' for low, high in runs)
