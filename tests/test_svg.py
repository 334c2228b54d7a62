"""SVG elements are well-formed XML whatever text they carry."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from polymath.svg import element, line, percent, picture

PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["C"]))


@given(PRINTABLE, PRINTABLE)
def test_any_text_comes_back_out_of_the_markup(note: str, spoken: str) -> None:
    bar = element("rect", [element("title", [note])], class_="series-1", width=percent(0.125, 3))
    drawing = ElementTree.fromstring(picture("bar tall", spoken, [bar, line("grid", ("0", "1"), ("2", "3"))]))
    assert drawing.attrib == {"class": "bar tall", "role": "img", "aria-label": spoken}
    assert drawing[0].attrib == {"class": "series-1", "width": "12.500%"}
    assert (drawing[0][0].text or "") == note
    assert drawing[1].attrib == {"class": "grid", "x1": "0", "x2": "1", "y1": "2", "y2": "3"}
