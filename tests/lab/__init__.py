"""Real CRI-O nodes and a real registry on one machine; see README.md in this folder."""

from .commands import LabError
from .disks import GIB, MIB
from .lab import Lab, take_down
from .machine import NodeSpec
from .node import Node
from .registry import Credentials

__all__ = ["GIB", "MIB", "Credentials", "Lab", "LabError", "Node", "NodeSpec", "take_down"]
