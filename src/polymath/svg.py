"""SVG elements for pictures that stand inside an HTML page; colours are classes `series-0` … of the page's style."""

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, children: Iterable[str] = (), **attributes: str) -> Markup:
    """One element: attribute values and plain text are escaped, Markup is taken as it is.

    Python's spelling of attributes: `class_` for class, `aria_label` for aria-label.
    """
    pairs = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{pairs}>{inside}</{name}>" if inside else f"<{name}{pairs}/>")


def picture(style: str, spoken: str, marks: Iterable[str]) -> Markup:
    """A drawing as wide as its place in the page; `style`: its CSS classes, `spoken`: what a screen reader says."""
    return element("svg", marks, class_=style, role="img", aria_label=spoken)


def line(style: str, x: tuple[str, str], y: tuple[str, str]) -> Markup:
    """A line between two points, whose coordinates are numbers or percentages."""
    return element("line", class_=style, x1=x[0], x2=x[1], y1=y[0], y2=y[1])


def percent(share: float, digits: int = 2) -> str:
    """A share of the whole, 0 to 1, as a coordinate: 0.75 is 75.00%."""
    return f"{100 * share:.{digits}f}%"
