"""The lab by hand: python -m lab {setup,up,down,status}."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from . import build, lab, payload
from .commands import LabError
from .machine import NodeSpec


def main(arguments: list[str]) -> int:
    """Do what the command line says; return the exit code."""
    chosen = _parser().parse_args(arguments)
    # Whoever ends us wants the lab away, not half up; a shell's background jobs ignore Ctrl-C.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        match chosen.command:
            case "setup":
                build.ensure()
            case "up":
                specs = [NodeSpec(f"node{number}") for number in range(1, chosen.nodes + 1)]
                started = lab.Lab.up(specs, chosen.name)
                _show(started)
                if chosen.images:
                    print(f"  set: {started.offer(payload.demo(chosen.images))}")
                    print("\n".join(_next_commands(started)))
            case "down":
                _take_down(chosen.name)
            case "status":
                for name in lab.names():
                    _show(lab.Lab.attach(name))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: stopped, nothing stays behind", file=sys.stderr)
        return 130
    return 0


def _take_down(name: str) -> None:
    up = lab.names()
    lab.take_down(name)
    print(f"lab {name} is down" if name in up else f"there is no lab {name}")
    others = [one for one in up if one != name]
    if others:
        print(f"up: {', '.join(others)} (make lab-down NAME=...)")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="make what all labs need; instant when it is there")
    up = commands.add_parser("up", help="start a lab")
    up.add_argument("--nodes", type=_number(1), default=3)
    up.add_argument(
        "--images", type=_number(0), default=0, help="fill the registry with so many images"
    )
    down = commands.add_parser("down", help="take a lab down, also an interrupted one")
    for command in (up, down):
        command.add_argument("--name", default="lab")
    commands.add_parser("status", help="list the labs")
    return parser


def _number(least: int) -> Callable[[str], int]:
    """Return what makes a number of an argument, and refuses one that means nothing."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is too few, at least {least}")
        return value

    return number


def _next_commands(up: lab.Lab) -> list[str]:
    return [
        "In the checkout:",
        # Where make put ansible-playbook.
        f"  export PATH={Path(sys.executable).parent}:$PATH",
        f"  ansible-playbook playbooks/pin-images.yml -i {up.inventory}",
        f"  make lab-down NAME={up.name}",
    ]


def _show(up: lab.Lab) -> None:
    print(f"lab {up.name}: registry {up.registry.address}")
    for node in up.nodes:
        print(f"  {node.name}  {node.address}")
    print(f"  inventory: {up.inventory}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
