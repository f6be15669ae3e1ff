# SPDX-License-Identifier: Apache-2.0
"""One tracked object in one frame: how the model sees it, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from sam_common.scored_mask import ScoredMask


class ObjectState(IntEnum):
    """Whether an object is seen; the values are those of `sam_interfaces/ObjectMask`.

    Examples
    --------
    >>> ObjectState(2).name
    'LOST'

    """

    VISIBLE = 0
    OCCLUDED = 1
    LOST = 2


@dataclass(frozen=True, eq=False)
class Observation(ScoredMask):
    """What a model sees of a tracked object in one frame.

    Parameters
    ----------
    presence : float
        How sure the model is that the object is seen at all [0-1]; SAM 2's object score.

    """

    presence: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, 'presence', float(np.clip(self.presence, 0.0, 1.0)))

    @property
    def is_seen(self) -> bool:
        """Whether the object is more likely in the frame than not, and where."""
        return self.presence > 0.5 and self.area > 0


@dataclass(frozen=True, eq=False, kw_only=True)
class TrackedMask(Observation):
    """An observation of a tracked object, with its ID, state and label.

    Parameters
    ----------
    object_id : int
        1 and up; the object keeps it for as long as it is tracked.
    state : ObjectState
    label : str
        What the object is called; '' if unknown.

    Examples
    --------
    >>> import numpy as np
    >>> cup = TrackedMask(np.ones((2, 3), bool), 0.9, object_id=7, label='cup')
    >>> cup.object_id, cup.state.name, cup.area
    (7, 'VISIBLE', 6)

    """

    object_id: int
    state: ObjectState = ObjectState.VISIBLE
    label: str = ''
