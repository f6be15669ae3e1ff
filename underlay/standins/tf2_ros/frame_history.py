# SPDX-License-Identifier: Apache-2.0
"""Where one frame was in its parent, and when."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from tf2_ros.errors import ExtrapolationException
from tf2_ros.rigid import Rigid


@dataclass(frozen=True, eq=False)
class Placing:
    """A frame in its parent.

    Parameters
    ----------
    parent : str
    tf_parent_frame : Rigid

    """

    parent: str
    tf_parent_frame: Rigid


# As many as arrive in 10 s at 1 kHz.
MAX_PLACINGS = 10_000


class FrameHistory:
    """What was told of a frame within the last `keep_ns`, in the order of its stamps."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._stamps_ns: list[int] = []
        self._placings: list[Placing] = []

    @property
    def latest_ns(self) -> int:
        """The newest stamp [ns]."""
        return self._stamps_ns[-1]

    def add(self, stamp_ns: int, placing: Placing) -> bool:
        """Keep where the frame was; return False for what is too old to be kept, or a repetition.

        What is older than the newest by more than is kept goes.
        """
        if self._stamps_ns and stamp_ns < self.latest_ns - self._keep_ns:
            return False
        place = bisect_left(self._stamps_ns, stamp_ns)
        if self._stamps_ns[place : place + 1] == [stamp_ns]:
            return False
        self._stamps_ns.insert(place, stamp_ns)
        self._placings.insert(place, placing)
        first = bisect_left(self._stamps_ns, self.latest_ns - self._keep_ns)
        first = max(first, len(self._stamps_ns) - MAX_PLACINGS)
        del self._stamps_ns[:first], self._placings[:first]
        return True

    def at(self, stamp_ns: int) -> Placing:
        """Return where the frame was, interpolated; raises ExtrapolationException."""
        stamps_ns = self._stamps_ns
        after = bisect_left(stamps_ns, stamp_ns)
        if after < len(stamps_ns) and stamps_ns[after] == stamp_ns:
            return self._placings[after]
        asked = f'Requested time {stamp_ns / 1e9:.6f} but the'
        if after == len(stamps_ns):
            raise ExtrapolationException(
                'Lookup would require extrapolation into the future.  '
                f'{asked} latest data is at time {stamps_ns[-1] / 1e9:.6f}'
            )
        if after == 0:
            raise ExtrapolationException(
                'Lookup would require extrapolation into the past.  '
                f'{asked} earliest data is at time {stamps_ns[0] / 1e9:.6f}'
            )
        first, second = self._placings[after - 1 : after + 1]
        if first.parent != second.parent:
            return first
        share = (stamp_ns - stamps_ns[after - 1]) / (stamps_ns[after] - stamps_ns[after - 1])
        between = first.tf_parent_frame.towards(second.tf_parent_frame, share)
        return Placing(first.parent, between)


class StandingFrame:
    """A frame that is in the same place at every time."""

    # It has no time of its own.
    latest_ns = 0

    def __init__(self) -> None:
        self._placing = Placing('', Rigid.identity())

    def add(self, stamp_ns: int, placing: Placing) -> bool:
        """Take the frame to be there from now on, and always to have been."""
        self._placing = placing
        return True

    def at(self, stamp_ns: int) -> Placing:
        """Return where the frame is."""
        return self._placing
