from gapscope.progress import Silent, Timed


def test_what_was_done_is_timed_and_what_was_not_is_left_out() -> None:
    timed = Timed(Silent())
    with timed.task("embedding", 10, "image") as task:
        task.advance(4, rejected=1)
        task.advance(6)
    with timed.task("layout", 5, "level"):
        pass
    assert list(timed.times) == ["embedding"]
    assert timed.times["embedding"]["done"] == 10
    assert timed.times["embedding"]["seconds"] >= 0
