"""Which kind of a version is which kind of an earlier one."""

from gapscope.history.follow import event, follow_kinds
from gapscope.history.versions import VersionKind


def kind(kind_id: str, name: str = "", query: str = "real") -> VersionKind:
    return VersionKind(
        id=kind_id,
        query=query,
        reference="synthetic",
        name=name,
        name_source="folder" if name else "",
        sort="absent",
        groups=10,
        of_groups=100,
        row=None,
    )


def followed(
    versions: list[list[VersionKind]], shared: dict[tuple[int, int], list[tuple[str, str, int]]]
) -> list[dict[int, str]]:
    kinds = follow_kinds(versions, lambda before, after: shared.get((before, after), []))
    assert [each.id for each in kinds] == [f"H{number + 1}" for number in range(len(kinds))]
    return [{version: own.id for version, own in each.seen.items()} for each in kinds]


def test_images_say_more_than_names_and_many_more_than_few() -> None:
    versions = [[kind("K1", "cat"), kind("K2", "dog")], [kind("K1", "cat"), kind("K2", "dog")]]
    assert followed(versions, {}) == [{0: "K1", 1: "K1"}, {0: "K2", 1: "K2"}]
    assert followed(versions, {(0, 1): [("K1", "K2", 9)]}) == [{0: "K1", 1: "K2"}, {0: "K2"}, {1: "K1"}]
    both = [("K1", "K1", 3), ("K1", "K2", 9), ("K2", "K1", 5)]
    assert followed(versions, {(0, 1): both}) == [{0: "K1", 1: "K2"}, {0: "K2", 1: "K1"}]


def test_a_kind_is_looked_for_in_the_latest_version_that_has_it() -> None:
    versions = [[kind("K1")], [kind("K7")], [], [kind("K3"), kind("K4")]]
    shared = {(0, 1): [("K1", "K7", 8)], (0, 3): [("K1", "K4", 99)], (1, 3): [("K7", "K3", 8)]}
    assert followed(versions, shared) == [{0: "K1", 1: "K7", 3: "K3"}, {3: "K4"}]


def test_unnamed_kinds_and_those_of_other_pairs_are_not_one() -> None:
    assert len(followed([[kind("K1")], [kind("K1")]], {})) == 2
    assert len(followed([[kind("K1", "cat")], [kind("K1", "cat", query="other")]], {})) == 2


def test_a_version_that_does_not_compare_the_pair_says_nothing_of_its_kinds() -> None:
    (own, later) = follow_kinds([[kind("K1", "cat")], [], [], [kind("K1", "cat"), kind("K2", "dog")]], lambda *_: [])
    compared = [True, False, True, True]
    assert [event(own, version, compared) for version in range(4)] == ["", "", "vanished", "came back"]
    assert [event(later, version, compared) for version in range(4)] == ["", "", "", "appeared"]
    assert event(later, 3, [False, False, False, True]) == ""
