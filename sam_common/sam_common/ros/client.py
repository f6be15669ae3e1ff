# SPDX-License-Identifier: Apache-2.0
"""How another node segments, tracks and plans: one class that waits, and one that is awaited."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, TypeVar, cast

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Header

from sam_common.errors import OptionError, SamError
from sam_common.images import check_image
from sam_common.ros.answers import (
    GraspPlan,
    SegmentedObject,
    make_prompt,
    object_from_msg,
    objects_from_msgs,
    plan_from_msg,
    stamp_from_ns,
)
from sam_common.ros.conversions import (
    array_to_image,
    labels_from_msg,
)
from sam_common.types import UInt8Array
from sam_interfaces.msg import Prompt
from sam_interfaces.srv import PlanGrasps, SegmentEverything, SegmentRequest, Track

T = TypeVar('T')

TIMEOUT_S = 30.0
# How often a node is asked whether it has discovered this one [s].
GREET_S = 0.5


class ServiceError(SamError):
    """A service that is not there, gives no answer in time, or says no."""


class AsyncSamClient:
    """Asks sam_node and grasp_node in coroutines, which callbacks of the node may await.

    Each method raises ServiceError: at once if the service is not there, with the node's message
    if it refuses, and after `timeout_s` if no answer comes. `stamp_ns` names a buffered frame of
    the camera [ns]; 0: its newest.

    Parameters
    ----------
    node : Node
        Something spins it.
    sam, grasping : str
        Names of the two nodes, relative to the node's namespace or absolute.
    timeout_s : float
        How long to wait for each answer [s].

    """

    def __init__(
        self,
        node: Node,
        *,
        sam: str = '/sam',
        grasping: str = '/sam_grasping',
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.node = node
        self.timeout_s = timeout_s
        # Steady: a time-out must come, too, when a simulated clock stands.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        # An answer must come through while a callback of the node awaits it.
        make = partial(node.create_client, callback_group=ReentrantCallbackGroup())
        self._segment = make(SegmentRequest, f'{sam}/segment')
        self._everything = make(SegmentEverything, f'{sam}/segment_everything')
        self._track = make(Track, f'{sam}/track')
        self._plan = make(PlanGrasps, f'{grasping}/plan')
        if not timeout_s > 0:
            raise OptionError(f'timeout_s is {timeout_s}; give seconds above 0')
        self.services = {
            'segment': self._segment,
            'segment_everything': self._everything,
            'track': self._track,
            'plan': self._plan,
        }
        self._greeters = {
            client: make(GetParameters, f'{owner}/get_parameters')
            for client, owner in zip(
                self.services.values(), (sam, sam, sam, grasping), strict=True
            )
        }
        self._met: set[Any] = set()

    async def segment(
        self,
        *,
        image_rgb: UInt8Array | None = None,
        stamp_ns: int = 0,
        multimask: bool = False,
        **prompt: Any,
    ) -> list[SegmentedObject]:
        """Return the masks of one prompt, best first; `prompt` is as in `make_prompt`."""
        request = SegmentRequest.Request(
            prompts=[make_prompt(**prompt)],
            stamp=stamp_from_ns(stamp_ns),
            multimask_output=multimask,
        )
        if image_rgb is not None:
            check_image(image_rgb)
            request.image = array_to_image(image_rgb, 'rgb8', Header())
        return objects_from_msgs((await self._call(self._segment, request)).objects)

    async def segment_everything(
        self, *, image_rgb: UInt8Array | None = None, stamp_ns: int = 0, **options: Any
    ) -> list[SegmentedObject]:
        """Return every object, largest first; `options` are the request's other fields."""
        request = SegmentEverything.Request(stamp=stamp_from_ns(stamp_ns), **options)
        if image_rgb is not None:
            check_image(image_rgb)
            request.image = array_to_image(image_rgb, 'rgb8', Header())
        found = (await self._call(self._everything, request)).objects
        # Their masks are in the label image: where they overlap, the smaller one lies on top.
        labels = labels_from_msg(found.label_image) if found.objects else None
        return [object_from_msg(msg, labels) for msg in found.objects]

    async def add(self, *, stamp_ns: int = 0, **prompt: Any) -> SegmentedObject:
        """Track one more object, named by `text`; return it with its ID."""
        return (await self._change(Track.Request.ADD, 0, stamp_ns, make_prompt(**prompt)))[0]

    async def refine(self, object_id: int, *, stamp_ns: int = 0, **prompt: Any) -> SegmentedObject:
        """Correct a tracked object by one more prompt; return it."""
        change = self._change(Track.Request.REFINE, object_id, stamp_ns, make_prompt(**prompt))
        return (await change)[0]

    async def remove(self, object_id: int) -> None:
        """Stop tracking one object."""
        await self._change(Track.Request.REMOVE, object_id)

    async def reset(self) -> None:
        """Stop tracking every object."""
        await self._change(Track.Request.RESET)

    async def tracked(self) -> list[SegmentedObject]:
        """Return every tracked object."""
        return await self._change(Track.Request.LIST)

    async def plan(
        self, *, object_id: int = 0, stamp_ns: int = 0, max_grasps: int = 0, **prompt: Any
    ) -> GraspPlan:
        """Return grasps of a tracked object, or of what a prompt means; 0: as many as the node's.

        That nothing can be grasped is an answer, too: the plan then says why.
        """
        request = PlanGrasps.Request(
            object_id=object_id, stamp=stamp_from_ns(stamp_ns), max_grasps=max_grasps
        )
        if prompt:
            request.prompt = make_prompt(**prompt)
        answer = await self._ask(self._plan, request)
        if not answer.success and not answer.grasps.rejections:
            raise ServiceError(f'{self._plan.srv_name}: {answer.message}')
        return plan_from_msg(answer.grasps, answer.message)

    def close(self) -> None:
        """Leave the node as it was."""
        for client in (*self.services.values(), *self._greeters.values()):
            self.node.destroy_client(client)

    async def _change(
        self, command: int, object_id: int = 0, stamp_ns: int = 0, prompt: Prompt | None = None
    ) -> list[SegmentedObject]:
        request = Track.Request(
            command=command, object_id=object_id, stamp=stamp_from_ns(stamp_ns)
        )
        request.prompt = prompt or Prompt()
        return objects_from_msgs((await self._call(self._track, request)).objects)

    async def _call(self, client: Any, request: Any) -> Any:
        answer = await self._ask(client, request)
        if not answer.success:
            raise ServiceError(f'{client.srv_name}: {answer.message}')
        return answer

    async def _ask(self, client: Any, request: Any) -> Any:
        if not client.service_is_ready():
            raise ServiceError(f'{client.srv_name} is not there; {REMEDY}')
        deadline = monotonic() + self.timeout_s
        await self._meet(client, deadline)
        answered = client.call_async(request)
        try:
            return await self._in_time(answered, client, deadline)
        finally:
            client.remove_pending_request(answered)

    async def _meet(self, client: Any, deadline: float) -> None:
        """Wait until the node that answers has discovered this one.

        A client sees a service before the service sees the client; an answer in between is lost.
        So something harmless is asked first, again and again, of the parameters that nodes have.
        """
        greeter = self._greeters[client]
        # A service under another name than its node's has nobody to ask.
        if client in self._met or not greeter.service_is_ready():
            return
        met = Future(executor=self.node.executor)

        def answered(_: Future) -> None:
            if not met.done():
                met.set_result(None)

        def greet() -> None:
            greeter.call_async(GetParameters.Request()).add_done_callback(answered)

        greet()
        timer = self.node.create_timer(GREET_S, greet, client.callback_group, self._clock)
        try:
            await self._in_time(met, client, deadline)
        finally:
            self.node.destroy_timer(timer)
        self._met.add(client)

    async def _in_time(self, future: Future, client: Any, deadline: float) -> Any:
        def give_up() -> None:
            if not future.done():
                future.set_exception(self._late(client))

        group, left_s = client.callback_group, max(deadline - monotonic(), 0.001)
        timer = self.node.create_timer(left_s, give_up, group, self._clock)
        try:
            return await future
        finally:
            self.node.destroy_timer(timer)

    def _late(self, client: Any) -> ServiceError:
        return ServiceError(
            f'{client.srv_name} gave no answer within {self.timeout_s:g} s; look at /diagnostics, '
            'or give a longer timeout_s'
        )


REMEDY = 'start its node (ros2 launch sam_bringup), or give the name that it has'


class SamClient:
    """As AsyncSamClient, but each call waits for its answer; see there for what they take.

    In a script it makes a node of its own and spins it. With a node that somebody spins, call it
    from another thread, or from a callback under a MultiThreadedExecutor; a callback that waits
    in the only thread of its executor would never get the answer: await AsyncSamClient there.

    Parameters
    ----------
    node : Node or None
        None: one of its own.
    sam, grasping, timeout_s
        As for AsyncSamClient.

    """

    def __init__(
        self,
        node: Node | None = None,
        *,
        sam: str = '/sam',
        grasping: str = '/sam_grasping',
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._own: Node | None = None
        self._context: Any = None
        if node is None:
            self._context = rclpy.Context()
            self._context.init()
            self._own = node = rclpy.create_node('sam_client', context=self._context)
        self.node = node
        self.asynchronous = AsyncSamClient(node, sam=sam, grasping=grasping, timeout_s=timeout_s)

    def segment(self, **arguments: Any) -> list[SegmentedObject]:
        """Return the masks of one prompt, best first."""
        return self._wait(self.asynchronous.segment(**arguments), 'segment')

    def segment_everything(self, **arguments: Any) -> list[SegmentedObject]:
        """Return every object, largest first."""
        wanted = self.asynchronous.segment_everything(**arguments)
        return self._wait(wanted, 'segment_everything')

    def add(self, **arguments: Any) -> SegmentedObject:
        """Track one more object; return it with its ID."""
        return self._wait(self.asynchronous.add(**arguments), 'track')

    def refine(self, object_id: int, **arguments: Any) -> SegmentedObject:
        """Correct a tracked object by one more prompt; return it."""
        return self._wait(self.asynchronous.refine(object_id, **arguments), 'track')

    def remove(self, object_id: int) -> None:
        """Stop tracking one object."""
        self._wait(self.asynchronous.remove(object_id), 'track')

    def reset(self) -> None:
        """Stop tracking every object."""
        self._wait(self.asynchronous.reset(), 'track')

    def tracked(self) -> list[SegmentedObject]:
        """Return every tracked object."""
        return self._wait(self.asynchronous.tracked(), 'track')

    def plan(self, **arguments: Any) -> GraspPlan:
        """Return grasps of a tracked object, or of what a prompt means."""
        return self._wait(self.asynchronous.plan(**arguments), 'plan')

    def close(self) -> None:
        """Leave ROS, or the node as it was."""
        self.asynchronous.close()
        if self._own is not None:
            self._own.destroy_node()
            self._context.try_shutdown()

    def __enter__(self) -> SamClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait(self, coroutine: Coroutine[Any, Any, T], service: str) -> T:
        client = self.asynchronous.services[service]
        timeout_s = self.asynchronous.timeout_s
        # By polling: nobody needs to spin for it.
        if not client.wait_for_service(timeout_s):
            coroutine.close()
            raise ServiceError(f'{client.srv_name} is not there after {timeout_s:g} s; {REMEDY}')
        # The coroutine has a time-out of its own; longer than that waits only who blocks it.
        at_most_s = timeout_s + 5.0
        executor = self.node.executor
        # One that has spun the node before, as rclpy.spin_once does, is named still.
        if executor is None or self.node not in executor.get_nodes():
            executor = SingleThreadedExecutor(context=self.node.context)
            executor.add_node(self.node)
            try:
                task = executor.create_task(_outcome(coroutine))
                executor.spin_until_future_complete(task, at_most_s)
            finally:
                executor.remove_node(self.node)
                self.node.executor = None
                executor.shutdown(0)
        else:
            task = executor.create_task(_outcome(coroutine))
            done = Event()
            task.add_done_callback(lambda _: done.set())
            done.wait(at_most_s)
        if not task.done():
            task.cancel()
            raise ServiceError(
                f'{client.srv_name}: nothing spins the node {self.node.get_name()}, or this was '
                'called from a callback in its only thread; await AsyncSamClient there'
            )
        result, error = task.result()
        if error is not None:
            raise error
        return cast(T, result)


async def _outcome(coroutine: Coroutine[Any, Any, T]) -> tuple[T | None, Exception | None]:
    """Return what a coroutine returns or raises: what a task raises ends the executor's thread."""
    try:
        return await coroutine, None
    except Exception as error:
        return None, error
