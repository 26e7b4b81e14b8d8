"""Work on one item after the other, the next few under way in threads meanwhile."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

THREADS = min(4, len(os.sched_getaffinity(0)))
"""Parts of a large array that are under way at a time: each takes up to a hundred megabytes."""


def map_ahead(
    function: Callable[[_Item], _Result], items: Iterable[_Item], threads: int = THREADS
) -> Iterator[_Result]:
    """Yield what a function returns for each item, in order; threads work on the next few items meanwhile.

    Unlike `Executor.map`, it lets no more results wait than there are threads. The calling thread works on the first
    item, before any other begins: so the arrays of a run are opened once, and not once per thread, each of which would
    connect to an object store again.

    Args:
        function: is called from several threads at a time, after the first call.
        items: are taken one by one.
        threads: how many there are.

    Example:
        >>> list(map_ahead(len, ["a", "bcd", "ef"]))
        [1, 3, 2]
    """
    items = iter(items)
    for item in items:
        yield function(item)
        break
    pool = ThreadPoolExecutor(threads)
    try:
        under_way: deque[Future[_Result]] = deque()
        for item in items:
            under_way.append(pool.submit(function, item))
            if len(under_way) > threads:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
