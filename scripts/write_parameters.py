# SPDX-License-Identifier: Apache-2.0
"""Write the nodes' parameter files and the parameter tables of the docs from their options.

`make parameters` runs it. With --check nothing is written: it names the files that differ.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import wrap
from typing import Any, get_args

from sam_common.ros.parameters import Parameter, parameters_of
from sam_grasping.ros.parameters import GraspNodeOptions
from sam_segmentation.ros.parameters import SamNodeOptions

REPOSITORY = Path(__file__).parents[1]
BEGIN = '<!-- Written by `make parameters`: -->'
END = '<!-- parameters end -->'
# Options, parameter file, page of the docs, and what the parameter file begins with.
NODES = (
    (
        SamNodeOptions,
        'sam_bringup/config/sam.yaml',
        'docs/sam_node.md',
        'Parameters of sam_node, each with its default; written by `make parameters`. '
        '`ros2 launch sam_bringup sam.launch.xml params_file:=FILE` takes another file; the '
        'launch arguments model, checkpoint, device and image_transport win over it where they '
        'are given.',
    ),
    (
        GraspNodeOptions,
        'sam_bringup/config/grasp.yaml',
        'docs/grasp_node.md',
        'Parameters of grasp_node, each with its default; written by `make parameters`. '
        '`ros2 launch sam_bringup grasp.launch.xml grasp_params_file:=FILE` takes another file; '
        'the launch arguments target_frame, depth_transport and continuous win over it where they '
        'are given.',
    ),
)


def in_yaml(value: Any) -> str:
    """Return a default as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value))
    return str(value) if value != '' else "''"


def range_of(one: Parameter) -> str:
    """Return the range of a number in words; '': it has none."""
    if one.span is None:
        return ''
    low, high = (str(end) if isinstance(end, int) else f'{end:.3g}' for end in one.span)
    return f'{low} to {high}'


def type_of(one: Parameter) -> str:
    """Return the type as the docs name it."""
    if isinstance(one.default, tuple):
        return f'array of {get_args(one.kind)[0].__name__}'
    return one.kind.__name__ if type(one.kind) is type else str(one.kind).replace(' | ', ' or ')


def comment(text: str, indent: str = '') -> str:
    """Return a text as comment lines of at most 99 columns."""
    prefix = f'{indent}# '
    return '\n'.join(
        wrap(text, 99, initial_indent=prefix, subsequent_indent=prefix, break_on_hyphens=False)
    )


def parameter_file(options: type[Any], heading: str) -> str:
    """Return a node's parameter file with every parameter's default."""
    entries = []
    for one in parameters_of(options):
        text = one.descriptor().description
        if one.span is not None:
            text += f' Range: {range_of(one)}.'
        entries.append(f'{comment(text, "    ")}\n    {one.name}: {in_yaml(one.default)}\n')
    return f'{comment(heading)}\n/**:\n  ros__parameters:\n' + '\n'.join(entries)


def table(options: type[Any]) -> str:
    """Return the table of a node's parameters in Markdown."""
    lines = [
        '| parameter | type | default | range | applied | meaning |',
        '|---|---|---|---|---|---|',
    ]
    for one in parameters_of(options):
        cells = (
            f'`{one.name}`',
            type_of(one),
            f'`{in_yaml(one.default)}`',
            range_of(one),
            one.applied.name.lower().replace('_', ' '),
            one.description,
        )
        lines.append('| ' + ' | '.join(cell.replace('|', r'\|') for cell in cells) + ' |')
    return '\n'.join(lines)


def with_table(page: str, options: type[Any]) -> str:
    """Return a page of the docs with the table between its two markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f'{before}{BEGIN}\n\n{table(options)}\n\n{END}{after}'


def main() -> None:
    """Write all files, or check them."""
    differ = []
    for options, config, page, heading in NODES:
        document = (REPOSITORY / page).read_text()
        for name, text in (
            (config, parameter_file(options, heading)),
            (page, with_table(document, options)),
        ):
            path = REPOSITORY / name
            if path.read_text() == text:
                continue
            differ.append(name)
            if '--check' not in sys.argv:
                path.write_text(text)
    if differ and '--check' in sys.argv:
        sys.exit(f'{", ".join(differ)} differ from the options; run `make parameters`')
    for name in differ:
        print(f'wrote {name}')


if __name__ == '__main__':
    main()
