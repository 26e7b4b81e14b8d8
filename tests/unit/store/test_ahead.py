"""Work in threads, some of it ahead of what is asked for."""

import threading
import time
from collections.abc import Iterator

import pytest

from gapscope.store.ahead import map_ahead


def test_results_come_in_order_however_long_each_takes() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number * number

    assert list(map_ahead(slow_first, range(20), 4)) == [number * number for number in range(20)]


def test_no_more_is_taken_than_is_needed_soon() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = map_ahead(lambda number: number, items(), 2)
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(taken) <= 10 + 3


def test_an_error_comes_where_its_result_would_and_ends_the_rest() -> None:
    done, threads = [], threading.active_count()

    def fails_at_three(number: int) -> int:
        if number == 3:
            raise ZeroDivisionError
        done.append(number)
        return number

    results = map_ahead(fails_at_three, range(1000), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(done) < 10
    assert threading.active_count() == threads
