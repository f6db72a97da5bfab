"""Write docs/incidents.md from the replays: `python scripts/incidents.py docs/incidents.md`.

Where a share of the readings fails, which ones is drawn by lot; times are then the median
of `LOTS` lots.
"""

import statistics
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from beacon.core.model import RED, Evidence, Verdict
from beacon.replay.load import Scene, read_scene
from beacon.replay.play import play
from beacon.replay.script import Line
from beacon.replay.timeline import Replayed

INCIDENTS: Final = Path(__file__).parents[1] / "incidents"
LOTS: Final = 11

HEAD: Final = """\
# Past incidents, replayed

Each file of `incidents/` is a real outage, written down as what a beacon's endpoints would have
read. `beacon replay incidents` judges them with the same core as the live beacon. This page is
made from them by `scripts/incidents.py`.

**These are models, not measurements.** No beacon was there. The sources tell when an outage began
and when the vendor posted. What a probe would have read in between is our assumption, and each
assumption is listed. Times in *italics* depend on one. When you read the table, remember:

- A replay reads an endpoint at the moment the fault begins. A live beacon is later: by up to one
  interval (60 s for a sign-in, 15 min for a code by SMS), and, where tries hang, by the deadline
  of each try that confirms it (30 s for a sign-in).
- Where only some tries fail, chance decides when the beacon notices. Each such incident is
  replayed {lots} times; times marked ~ are the median.
- A beacon sees only what it probes. These replays assume a probe of what broke, in the region, the
  deployment and with the factor that broke.

Amber and red: when the tower first showed them. Vendor: when its page first admitted trouble. All
times are UTC. Lead: from the tower's first light to the vendor's post. A dash: it never happened,
or is not known.

"""


@dataclass(frozen=True)
class First:
    """When something was first shown, lot by lot, in seconds from the start; None: never."""

    times: tuple[float | None, ...]

    @property
    def at(self) -> float | None:
        """The middling lot's time; None where most lots never show it."""
        seen = [at for at in self.times if at is not None]
        return statistics.median_low(seen) if len(seen) > len(self.times) / 2 else None

    @property
    def lots(self) -> str:
        """In how many of the lots it was shown at all."""
        return f"{sum(at is not None for at in self.times)} of {len(self.times)}"

    @property
    def by_lot(self) -> bool:
        """Whether chance decides when."""
        return len(set(self.times)) > 1


@dataclass(frozen=True)
class Story:
    """One incident, played."""

    path: Path
    scene: Scene
    amber: First
    red: First
    vendor: Line | None
    modelled: bool  # when trouble first showed is

    @property
    def light(self) -> float | None:
        """When the tower first showed that something is wrong."""
        return min((f.at for f in (self.amber, self.red) if f.at is not None), default=None)

    @property
    def lead(self) -> float | None:
        """Seconds from our first light to the vendor's word."""
        if self.vendor is None or self.light is None:
            return None
        return float(self.vendor.at) - self.light


def play_incident(path: Path) -> Story:
    """Play one incident, in every lot if there are any."""
    scene = read_scene(path, {})
    return story(path, scene, [play(scene, lot) for lot in range(LOTS if shares(scene) else 1)])


def shares(scene: Scene) -> bool:
    """Whether somewhere only a share of the readings fails: then there are lots."""
    return any(line.share < 1 for line in scene.script.events)


def story(path: Path, scene: Scene, lots: Sequence[Replayed]) -> Story:
    """Say what was shown when, by one play or by one for each lot."""
    amber, red = (First(tuple(times)) for times in zip(*map(lights, lots), strict=True))
    return Story(path, scene, amber, red, vendor(scene), modelled(scene, amber, red))


def modelled(scene: Scene, *lights: First) -> bool:
    """Whether the time of what was read last before the first light is our choice."""
    light = min((found.at for found in lights if found.at is not None), default=0.0)
    sign = max(
        (line for line in ours(scene) if line.at <= light),
        key=lambda line: line.at,
        default=min(ours(scene), key=lambda line: line.at),
    )
    return sign.modelled and float(sign.at) != 0.0


def lights(played: Replayed) -> tuple[float | None, float | None]:
    """When the tower first showed amber, if before red, and red."""
    settled = {(at, service): verdict for at, service, verdict in played.verdicts}
    red = min((at for (at, _), verdict in settled.items() if verdict in RED), default=None)
    amber = min((at for (at, _), v in settled.items() if v is Verdict.DEGRADED), default=None)
    if red is not None and amber is not None and amber >= red:
        amber = None
    return amber, red


def claims(scene: Scene) -> set[str]:
    """The endpoints that are the vendor's word."""
    return {e.id for e in scene.site.endpoints if e.evidence is Evidence.CLAIM}


def ours(scene: Scene) -> list[Line]:
    """What our own endpoints read."""
    return [
        line
        for line in scene.script.events
        if line.endpoint is not None and line.endpoint not in claims(scene)
    ]


def vendor(scene: Scene) -> Line | None:
    """The vendor's first admission."""
    admissions = [
        line
        for line in scene.script.events
        if line.endpoint in claims(scene) and (line.fail or line.warn)
    ]
    return min(admissions, key=lambda line: line.at, default=None)


# --- writing ----------------------------------------------------------------------


def page(stories: Sequence[Story]) -> str:
    """Make the whole page."""
    parts = [HEAD.format(lots=LOTS), *table(stories), "\n", in_short(stories)]
    return "".join([*parts, *(part for story in stories for part in chapter(story))])


def table(stories: Sequence[Story]) -> Iterator[str]:
    """One line an incident."""
    yield "| Incident | Amber | Red | Vendor | Lead |\n| --- | --- | --- | --- | --- |\n"
    for story in stories:
        vendor = "—"
        if story.vendor is not None:
            vendor = slanted(clock(story, float(story.vendor.at)), story.vendor.modelled)
        title = story.scene.script.title
        cells = (shown(story, story.amber), shown(story, story.red), vendor, lead(story))
        yield f"| [{title}](#{anchor(title)}) | {' | '.join(cells)} |\n"


def in_short(stories: Sequence[Story]) -> str:
    """Say what the table comes to, of what is not modelled only."""
    leads = [
        s.lead
        for s in stories
        if s.lead is not None and s.vendor is not None and not (s.vendor.modelled or s.modelled)
    ]
    missed = [s for s in stories if s.light is None]
    spoken = (
        f"Where onset and the vendor's first post are known ({len(leads)} of {len(stories)}), "
        f"the vendor posted {minutes(min(leads))} to {minutes(max(leads))} after the tower's first "
        f"light; the median is {minutes(statistics.median(leads))}. {len(missed)} of the incidents "
        f"show{'s' * (len(missed) == 1)} no light in most replays: too few tries failed."
    )
    return textwrap.fill(spoken, 98) + "\n"


def chapter(story: Story) -> Iterator[str]:
    """All of one incident."""
    script = story.scene.script
    yield f"\n## {script.title}\n\n"
    yield textwrap.fill(script.summary.strip(), 98) + "\n\n"
    for word, found in (("amber", story.amber), ("red", story.red)):
        if found.by_lot and None in found.times:
            yield f"Shown {word} in {found.lots} replays.\n\n"
    yield f"Script: `incidents/{story.path.name}`. Sources:\n\n"
    yield "".join(f"- {source}\n" for source in script.source)
    yield "\nAssumed:\n\n"
    yield "".join(item(text) for text in script.modelled)
    yield "".join(
        item(f"{clock(story, float(line.at))}: {what(line)}")
        for line in script.events
        if line.modelled and line.endpoint is not None
    )


def item(text: str) -> str:
    """One entry of a list."""
    return textwrap.fill(text.strip(), 98, initial_indent="- ", subsequent_indent="  ") + "\n"


def what(line: Line) -> str:
    """Say what an endpoint reads from then on."""
    word = line.passes or line.warn or line.fail or line.error
    took = f" after {line.latency:g} s" if line.latency else ""
    share = f" {100 * line.share:.3g} % of the time" if line.share < 1 else ""
    return f"`{line.endpoint}` reads `{word}`{took}{share}"


def shown(story: Story, found: First) -> str:
    """Say when a lamp was lit."""
    if found.at is None:
        return f"in {found.lots}" if found.by_lot and story.light is None else "—"
    return slanted(("~" if found.by_lot else "") + clock(story, found.at), story.modelled)


def lead(story: Story) -> str:
    """Say by how much we were before the vendor."""
    if story.lead is None or story.vendor is None:
        return "—"
    return slanted(minutes(story.lead), story.modelled or story.vendor.modelled)


def clock(story: Story, at: float) -> str:
    """Tell a moment of the incident as people do."""
    start = story.scene.script.start.utc
    moment = start + timedelta(seconds=at)
    days = (moment.date() - start.date()).days
    return f"{moment:%H:%M}" + (f" +{days} d" if days else "")


def minutes(seconds: float) -> str:
    """Round to whole minutes."""
    return f"{seconds / 60:.0f} min"


def slanted(text: str, modelled: bool) -> str:
    """Mark what rests on a modelled time."""
    return f"*{text}*" if modelled else text


def anchor(title: str) -> str:
    """Make the anchor a title has on a page."""
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def main(target: Path) -> None:
    """Write the page."""
    target.write_text(page([play_incident(path) for path in sorted(INCIDENTS.glob("*.yaml"))]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
