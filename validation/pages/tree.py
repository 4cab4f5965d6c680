"""Markdown as a tree of names and texts, which a page shows without parsing any HTML.

A node is a text, or a list of its name and what it holds: ["p", "read ", ["code", "config.py"]]. Mark-up of HTML in the
Markdown is text.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it.token import Token

Node = str | list[Any]
TEXTS = {"text", "html_block", "html_inline", "text_special"}
CODES = {"code_inline": "code", "code_block": "pre", "fence": "pre"}


def tree(markdown: str) -> list[Node]:
    """Read Markdown with tables into a list of nodes."""
    from markdown_it import MarkdownIt

    whole: list[Node] = []
    _fill(whole, MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown))
    return whole


def _fill(whole: list[Node], tokens: "Sequence[Token]") -> None:
    open_ones = [whole]
    for token in tokens:
        inside = open_ones[-1]
        if token.hidden:
            continue  # the paragraph in an item of a tight list
        if token.type == "inline":
            _fill(inside, token.children or [])
        elif token.nesting == 1:
            made: list[Node] = [_name(token)]
            inside.append(made)
            open_ones.append(made)
        elif token.nesting == -1:
            open_ones.pop()
        elif token.type in CODES:
            inside.append([CODES[token.type], token.content])
        elif token.type in ("softbreak", "hardbreak"):
            inside.append("\n" if token.type == "softbreak" else ["br"])
        else:  # a picture is told by its text: nothing is fetched
            inside.append(token.content if token.type in TEXTS or token.content else [token.tag])


def _name(token: "Token") -> str:
    """Name a node; a cell of numbers stands right."""
    right = token.tag in ("td", "th") and "right" in str(token.attrs.get("style", ""))
    return f"{token.tag}.number" if right else token.tag


def parts(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Part a tree by its headings of the second level; what comes before the first one is left out."""
    found: list[dict[str, Any]] = []
    for node in nodes:
        if node[0] == "h2":
            found.append({"title": text_of(node), "holds": []})
        elif found:
            found[-1]["holds"].append(node)
    return found


def text_of(node: Node) -> str:
    """Return the text in a node."""
    return node if isinstance(node, str) else "".join(text_of(one) for one in node[1:])
