# SPDX-License-Identifier: Apache-2.0
"""`~/track`: what is tracked on the live stream, changed on request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from std_msgs.msg import Header

from sam_common.bounds import MAX_ANSWER_BYTES, MIB, answer_bytes
from sam_common.ros.async_services import AsyncServices, LateError, payload_of
from sam_common.ros.conversions import stamp_to_ns
from sam_interfaces.srv import Track
from sam_segmentation.core.errors import PromptError
from sam_segmentation.ros.conversions import prompt_from_msg, tracked_to_msg
from sam_segmentation.streaming.engine import Engine
from sam_segmentation.streaming.frame_buffer import FrameBuffer
from sam_segmentation.streaming.requests import NewObject, add, refine
from sam_segmentation.streaming.session import SessionView

COMMANDS = {
    Track.Request.ADD: 'ADD',
    Track.Request.REFINE: 'REFINE',
    Track.Request.REMOVE: 'REMOVE',
    Track.Request.RESET: 'RESET',
    Track.Request.LIST: 'LIST',
}


class TrackService:
    """Turns requests of `~/track` into jobs of the tracker.

    Parameters
    ----------
    async_services : AsyncServices
    active : callable
        Returns the engine and the camera's frames; raises SamError while the node is not active.
    on_change : callable
        Called after what is tracked was changed.

    """

    def __init__(
        self,
        async_services: AsyncServices,
        active: Callable[[], tuple[Engine, FrameBuffer]],
        on_change: Callable[[], None],
    ) -> None:
        self._answering = async_services
        self._active = active
        self._on_change = on_change
        async_services.serve(Track, '~/track', self._track)

    async def _track(self, request: Track.Request, response: Track.Response) -> None:
        engine, buffer = self._active()
        if request.command == Track.Request.LIST:
            # At once, whatever the worker does.
            view = engine.session.view()
        else:
            try:
                view = await self._answering.result(_job(request, engine, buffer))
            except LateError as error:
                # The part that was at work then may have been the last one.
                raise LateError(f'{error}; LIST says what is tracked') from error
        header = view.frame.header if view.frame else Header()
        left_out = _masks_left_out(view)
        response.objects = [
            tracked_to_msg(obj, header, with_mask=not left_out) for obj in view.objects
        ]
        ids = ', '.join(str(obj.object_id) for obj in engine.session.objects)
        response.message = (
            f'{COMMANDS[request.command]} done; tracked are: {ids or "none"}{left_out}'
        )
        if request.command != Track.Request.LIST:
            self._on_change()


def _masks_left_out(view: SessionView) -> str:
    """Return why an answer holds no masks, if they would be too large."""
    if not view.objects:
        return ''
    height, width = view.objects[0].mask.shape
    size = answer_bytes(len(view.objects), (width, height))
    if size <= MAX_ANSWER_BYTES:
        return ''
    return (
        f'; the masks are left out, since they are {size // MIB} MiB and an answer holds '
        f'{MAX_ANSWER_BYTES // MIB} MiB at most: ~/objects has them as one label image'
    )


def _job(request: Track.Request, engine: Engine, buffer: FrameBuffer) -> Future[SessionView]:
    """Submit what a request asks for; raises PromptError if it asks for nothing known."""
    session, object_id, stamp_ns = engine.session, request.object_id, stamp_to_ns(request.stamp)
    what = f'track {COMMANDS.get(request.command, "")}'
    payload = payload_of(request.prompt.mask.data)
    if request.command == Track.Request.ADD:
        new = NewObject(prompt_from_msg(request.prompt), object_id=object_id)
        steps = add(session, buffer, [new], stamp_ns=stamp_ns)
        return engine.track(steps, what=what, payload=payload)
    if request.command == Track.Request.REFINE:
        prompt = prompt_from_msg(request.prompt)
        steps = refine(session, buffer, object_id, prompt, stamp_ns=stamp_ns)
        return engine.track(steps, what=what, payload=payload)
    if request.command == Track.Request.REMOVE:
        return engine.worker.submit(lambda: session.remove(object_id), what=what)
    if request.command == Track.Request.RESET:
        return engine.worker.submit(session.reset, what=what)
    known = ', '.join(f'{name} ({number})' for number, name in COMMANDS.items())
    raise PromptError(f'command {request.command} is unknown; use one of {known}')
