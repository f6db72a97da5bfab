"""Plain text from HTML, in linear time for any input."""

import html


def without_tags(text: str) -> str:
    """The text with a blank instead of each `<…>`; an unclosed `<` is text."""
    pieces, at = [], 0
    while (begin := text.find("<", at)) >= 0 and (end := text.find(">", begin)) >= 0:
        pieces.append(text[at:begin])
        at = end + 1
    return " ".join((*pieces, text[at:]))


def unescaped(text: str) -> str:
    """The text with HTML's references replaced; unchanged if one has thousands of digits."""
    try:
        return html.unescape(text)
    except ValueError:
        return text
