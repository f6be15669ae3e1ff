# SPDX-License-Identifier: Apache-2.0
"""A request to stop, as SIGINT and SIGTERM make it."""

import signal
import threading
from types import FrameType


class StopRequest:
    """Becomes set when the process is asked to stop; waiting for it ends at once then."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether to stop."""
        return self._event.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for a while, at most until asked to stop, and tell whether to stop."""
        return self._event.wait(max(0.0, timeout_s))
