"""What depends on an endpoint: the services to judge anew when it changes, what a cause affects."""

from collections.abc import Iterable, Mapping, Sequence

from beacon.core.endpoint.state import EndpointState
from beacon.core.model import Evidence, Site


class Dependencies:
    """Of one site. `touched` are the services to judge anew, in order of need."""

    def __init__(self) -> None:
        self.touched: dict[str, None] = {}
        self._endpoints: Mapping[str, EndpointState] = {}
        self._services: tuple[str, ...] = ()
        self._dependants: dict[str, list[str]] = {}
        self._affected: dict[str, tuple[str, ...]] = {}
        self._causes_of: dict[str, list[EndpointState]] = {}

    def configure(self, site: Site, endpoints: Mapping[str, EndpointState]) -> None:
        """Follow this site from now on."""
        self._endpoints, self._affected = endpoints, site.affected()
        self._services = tuple(s.id for s in site.services)
        self._dependants = {}
        for endpoint in site.endpoints:
            for parent in endpoint.depends_on:
                self._dependants.setdefault(parent, []).append(endpoint.service)
        self._link_causes()

    def _link_causes(self) -> None:
        """Note of each delivery the causes that affect it; forget counts of what they no longer do.

        What looks back says nothing of how the cause was when it happened.
        """
        self._causes_of = {}
        late = {n for n, state in self._endpoints.items() if state.spec.looks_back}
        for name, affected in self._affected.items():
            present = [each for each in affected if each not in late]
            cause = self._endpoints[name]
            cause.arrivals = {each: c for each, c in cause.arrivals.items() if each in present}
            for each in present:
                self._causes_of.setdefault(each, []).append(cause)

    def causes_of(self, state: EndpointState) -> Sequence[EndpointState]:
        """The causes that affect a delivery."""
        return self._causes_of.get(state.spec.id, ())

    def affected_by(self, state: EndpointState) -> tuple[str, ...]:
        """The endpoints that a cause affects."""
        return tuple(n for n in self._affected.get(state.spec.id, ()) if n in self._endpoints)

    # --- what to judge anew -------------------------------------------------------

    def take_touched(self) -> Iterable[str]:
        """The services to judge anew; from now on there are none."""
        touched, self.touched = self.touched, {}
        return touched

    def touch(self, services: Iterable[str]) -> None:
        """Have these services judged anew."""
        self.touched.update(dict.fromkeys(services))

    def touch_everything(self) -> None:
        """Have every service judged anew."""
        self.touch(self._services)

    def touch_service(self, state: EndpointState) -> None:
        """Have the service of an endpoint judged anew."""
        if state.spec.evidence is not Evidence.WITNESS:
            self.touched[state.spec.service] = None

    def touch_all_of(self, state: EndpointState) -> None:
        """Have everything judged anew that rests on an endpoint or is explained by it."""
        self.touch_service(state)
        self.touch(self._dependants.get(state.spec.id, ()))
        self.touch(self._endpoints[name].spec.service for name in self.affected_by(state))
