"""How every benchmark prints what it found: beside its budget."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure. `holds` None: there is no budget for it, it is shown for comparison."""

    what: str
    measured: str
    budget: str = "-"
    holds: bool | None = None


HEAD = ("what", "measured", "budget", "holds")


def show(title: str, rows: list[Row]) -> bool:
    """Print the table; whether every budget holds."""
    cells = [HEAD] + [(r.what, r.measured, r.budget, _word(r.holds)) for r in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    print(f"\n{title}")
    for line in cells:
        print(
            "  "
            + "  ".join(
                cell.ljust(width) for cell, width in zip(line, widths, strict=True)
            ).rstrip()
        )
    return all(row.holds is not False for row in rows)


def _word(holds: bool | None) -> str:
    return "-" if holds is None else "yes" if holds else "NO"
