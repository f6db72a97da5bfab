"""Plain text out of HTML, in linear time, whatever was written."""

import html


def without_tags(text: str) -> str:
    """A blank instead of each `<…>`; a bracket that nothing closes is text."""
    pieces, at = [], 0
    while (begin := text.find("<", at)) >= 0 and (end := text.find(">", begin)) >= 0:
        pieces.append(text[at:begin])
        at = end + 1
    return " ".join((*pieces, text[at:]))


def unescaped(text: str) -> str:
    """The text with HTML's references replaced; none is if one has thousands of digits."""
    try:
        return html.unescape(text)
    except ValueError:
        return text
