import re
from pathlib import Path

from words_page import PAGE, words_page

from gapscope.compare.registry import METRICS
from gapscope.report.words import WORDS


def test_every_number_of_the_page_has_a_word() -> None:
    ids = [word.id for word in WORDS]
    assert len(set(ids)) == len(ids)
    assert {name.replace("_", "-") for name in METRICS} < set(ids)


def test_what_the_page_looks_up_is_there() -> None:
    sources = (Path(__file__).parents[3] / "engine" / "page" / "src").rglob("*.tsx")
    wanted = {word for source in sources for word in re.findall(r'<Word id="([^"]+)"', source.read_text())}
    assert wanted
    assert wanted <= {word.id for word in WORDS}


def test_a_word_can_be_looked_up_by_all_that_it_is_called() -> None:
    names = [name.casefold() for word in WORDS for name in (word.term, *word.also)]
    assert len(set(names)) == len(names)


def test_definitions_are_short_whole_sentences() -> None:
    for word in WORDS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", word.id)
        assert len(word.short) <= 180, word.id
        assert word.short.endswith(".")
        assert word.long.endswith(".")


def test_the_document_holds_the_same_words() -> None:
    assert PAGE.read_text(encoding="utf-8") == words_page(), "run python tests/helpers/words_page.py"
