"""`pprl inspect`: what is this file?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pprl.console import json_option, path_argument, show


@click.command()
@path_argument("file")
@json_option
def inspect(file: Path, as_json: bool) -> None:
    """Describe any FILE of this protocol, without opening what is sealed.

    What a sealed file says of itself is not verified here; opening it verifies it.

    Example: pprl inspect offences.submission
    """
    from pprl.files.recognise import describe

    data = describe(file)
    show(data, as_json=as_json, text=lambda: "\n".join(_lines(data)))


def _lines(data: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for name, value in data.items():
        label = f"{indent}{name.replace('_', ' ')}:"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(label)
            for number, each in enumerate(value, start=1):
                lines += [f"{indent}  {number}.", *_lines(each, indent + "     ")]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else value
            lines.append(f"{label} {'no' if value is False else text}")
    return lines
