"""Markdown as a tree: what the card holds, as names and texts."""

import pytest

from validation.pages.cells import cell_text
from validation.pages.tree import parts, tree

EACH = {
    "a *b* **c** `d`\ne": [["p", "a ", ["em", "b"], " ", ["strong", "c"], " ", ["code", "d"], "\n", "e"]],
    "- a\n- b\n": [["ul", ["li", "a"], ["li", "b"]]],
    "| a | b |\n|---|--:|\n| 1 | 2 |": [
        [
            "table",
            ["thead", ["tr", ["th", "a"], ["th.number", "b"]]],
            ["tbody", ["tr", ["td", "1"], ["td.number", "2"]]],
        ]
    ],
    "```\nx < y\n```": [["pre", "x < y\n"]],
    "---": [["hr"]],
    "<b>x</b> <script>y</script>": [["p", "<b>x</b> <script>y</script>"]],
    "<script>\ny\n</script>": [["p", "<script>", "\n", "y", "\n", "</script>"]],
    "![told](https://a.example/x.png)": [["p", "told"]],
    "[a](https://b.example)": [["p", ["a", "a"]]],
    "[a](javascript:x)": [["p", "[a](javascript:x)"]],
}


@pytest.mark.parametrize("text", EACH)
def test_markdown_is_names_and_texts(text) -> None:
    """HTML is text, a picture its own text, a link what it says."""
    assert EACH[text] == tree(text)


def test_what_the_card_escapes_is_read_as_it_was() -> None:
    """Marks of Markdown in a value come back as the characters that they are."""
    value = "<=50K *not* `bold` a|b _c_"
    assert [["p", value]] == tree(cell_text(value))


def test_a_card_is_parted_by_its_headings() -> None:
    """What stands before the first is the card's own title."""
    found = parts(tree("# Card\n\n## A *b*\n\ntext\n\n### c\n\n## D\n"))
    assert [("A b", [["p", "text"], ["h3", "c"]]), ("D", [])] == [(one["title"], one["holds"]) for one in found]
