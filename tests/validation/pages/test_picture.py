"""A drawing as a picture: complete, small, and the same bytes for the same drawing."""

import re
from xml.etree import ElementTree

from validation.pages.bars import Bar, bars
from validation.pages.picture import COLOURS, picture
from validation.pages.svg import INK

WILD = """<script>x</script> & "style='#1c2126'" x="1.23456" ]]>"""


def drawing(label: str = "a group", value: float = 0.25) -> str:
    return bars("A title", "what it says", "share", [Bar(label, value, 0.2, 0.3), Bar("b", 0.5, faint=True)])


def test_it_is_a_file_of_its_own_with_its_size() -> None:
    """XML with a namespace, and what a reader who does not see it is told."""
    made = picture(drawing())
    read = ElementTree.fromstring(made.svg)  # noqa: S314  our own drawing
    assert "{http://www.w3.org/2000/svg}svg" == read.tag
    assert "what it says" == made.says
    assert f"0 0 {made.width:g} {made.height:g}" == read.attrib["viewBox"]


def test_every_colour_has_one_for_the_dark() -> None:
    """No style keeps a colour of the palette, and each name is given twice."""
    made = picture(drawing())
    styles = " ".join(re.findall(r'style="([^"]*)"', made.svg))
    assert not re.search("|".join(COLOURS), styles)
    assert f"--ink:{INK}" in made.svg
    assert all(made.svg.count(f"--{name}:") == 2 for name, _ in COLOURS.values())


def test_it_is_smaller_and_says_the_same() -> None:
    """Shorter numbers, no list of fonts, the same texts; twice the same bytes."""
    whole, made = drawing(), picture(drawing())
    assert made.svg == picture(drawing()).svg
    assert len(made.svg) < 0.8 * len(whole)
    assert re.findall(r"<text[^>]*>([^<]*)<", whole) == re.findall(r"<text[^>]*>([^<]*)<", made.svg)


def test_hostile_labels_stay_texts() -> None:
    """Mark-up, quotes and numbers in a label are neither mark-up nor shortened away."""
    made = picture(drawing(WILD))
    read = ElementTree.fromstring(made.svg)  # noqa: S314  our own drawing
    texts = ["".join(one.itertext()) for one in read.iter("{http://www.w3.org/2000/svg}text")]
    assert any(text.startswith("<script>x</script> & ") for text in texts)
    assert not list(read.iter("{http://www.w3.org/2000/svg}script"))
