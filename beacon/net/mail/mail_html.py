"""The text that a mail reader shows of an HTML page (docs/adr/0031).

`<b>482</b><b>913</b>` is one word, blocks begin a line, hidden text is left out. The page is read
once from beginning to end, without a tree, so that the time grows with its length only.
"""

from itertools import islice
from typing import Final

from beacon.engine.text_pattern import TextPattern
from beacon.net.parsing.plain import unescaped

_ATTRIBUTES: Final = r"""(?:[^<>="']|=\s*+(?:"[^"]*+"|'[^']*+')?+|["'])*+>?+"""
_MARKUP: Final = TextPattern(
    r"(?si)<(?=[a-z!?/])(?:!--(?:(?!-->).)*+(?:-->)?+"
    rf"|(script|style|title|textarea|template)\b{_ATTRIBUTES}(?:(?!</\1).)*+(?:</\1[^>]*+>?+)?+"
    rf"|(?P<closing>/?+)(?P<name>[a-z][a-z0-9:-]*+)(?P<attributes>{_ATTRIBUTES})"
    r"|[!?/][^>]*+>?+)"
)
"""Comments, elements that are not shown, tags, declarations. Possessive: it never backtracks."""

TAGS_LIMIT: Final = 5000
"""Tags of a page; the rest is ignored."""

_BLOCKS: Final = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "br", "center", "dd", "div", "dl"),
        *("dt", "fieldset", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "table"),
        *("tbody", "tfoot", "thead", "tr", "ul"),
    )
)
_CELLS: Final = frozenset({"td", "th"})
_EMPTY: Final = frozenset({"br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"})
_UNSEEN: Final = TextPattern(
    r"display:none|visibility:hidden|mso-hide:all"
    r"|(?<![a-z-])(?:max-height|opacity):0(?:\.0*)?(?![.\d])"
)
_VALUE: Final = TextPattern(r"""=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'>]*+)""")
_HUGE: Final = TextPattern(r"&#[0-9A-Fa-fxX]{9,}+;?+")
"""Invalid references, too long for Python to convert."""

_BLANKS: Final = str.maketrans(dict.fromkeys("\t\r\n\f", " "))


def shown_text(page: str) -> str:
    """The text of a page: a line for each block, a tab before each cell.

    Raises `TimeoutError`.
    """
    shown: list[str] = []
    hidden, depth, mark = "", 0, 0
    at = 0
    tags = _MARKUP.finditer(page)
    for tag in islice(tags, TAGS_LIMIT):
        shown.append(page[at : tag.start()].translate(_BLANKS))
        at = tag.end()
        name, closing = (tag["name"] or "").lower(), bool(tag["closing"])
        if name and name == hidden:
            depth += -1 if closing else 1
            if not depth:
                del shown[mark:]
                hidden = ""
        elif name and not hidden and not closing and _is_hidden(name, tag["attributes"]):
            hidden, depth, mark = name, 1, len(shown)
        shown.append("\n" if name in _BLOCKS else "\t" if name in _CELLS else "")
    if next(tags, None) is None:
        shown.append(page[at:].translate(_BLANKS))
    return unescaped(_HUGE.sub(" ", "".join(shown)))


def _is_hidden(name: str, attributes: str) -> bool:
    """Whether an element is not shown. `font-size:0` proves nothing: layouts set it around text."""
    if name in _EMPTY or not attributes.strip(" >"):
        return False
    text = attributes.lower()
    bare = _VALUE.sub(" ", text).strip(" >/").split()
    return "hidden" in bare or _UNSEEN.search("".join(text.split())) is not None
