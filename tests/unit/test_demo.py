# Copyright: edgefleet.crio contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the demonstration ends when somebody stops it; what it shows needs nodes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import demo
import pytest


class Nodes:
    """A lab that only counts how often it was taken down, and is asked for that twice."""

    downs = 0

    def offer(self, _payload: object) -> None:
        """Be interrupted."""
        os.kill(os.getpid(), signal.SIGINT)

    def down(self) -> None:
        """Be interrupted once more."""
        os.kill(os.getpid(), signal.SIGTERM)
        Nodes.downs += 1


@pytest.fixture
def _signals() -> Iterator[None]:
    """Give the signals back to pytest."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.usefixtures("_signals")
@pytest.mark.parametrize("keep", ["", "1"])
def test_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keep: str
) -> None:
    """The nodes go, those that were to stay as well, and one line says so."""
    monkeypatch.setenv("KEEP", keep)
    monkeypatch.setattr(demo.Lab, "up", lambda _specs: Nodes())
    monkeypatch.setattr(Nodes, "downs", 0)
    assert demo.main() == 130
    assert Nodes.downs == 1
    assert capsys.readouterr().err == "demo: stopped, nothing stays behind\n"
