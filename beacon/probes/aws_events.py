"""`aws_events`: what AWS admits on its public health dashboard, `currentevents`.

A snapshot of what is open, in UTF-16, its numbers written as texts. It names only what is in
trouble: so services are compared with those we know by name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec

from beacon.config.fields import Url
from beacon.config.problems import alike
from beacon.core.model import Evidence, Reading, Reason
from beacon.engine.redaction import quoted
from beacon.engine.run import Run
from beacon.engine.text_pattern import DOT_ALL, TextPattern
from beacon.net.http.client import Answer, Request
from beacon.net.http.conditional_client import ConditionalClient
from beacon.net.http.expectations import parse_json_as
from beacon.net.http.route import Reach
from beacon.net.parsing.dates import since
from beacon.net.probe_failure import ProbeFailure
from beacon.probing.base import CLAIM, Abilities, Kind, SettingFlaw, unnamed
from beacon.vendors.status import Admission, entry, worst

_OF_STATUS: Final = {
    "0": (Reason.OK, "resolved"),
    "1": (Reason.VENDOR_DEGRADED, "degraded"),
    "2": (Reason.VENDOR_DEGRADED, "degraded"),
    "3": (Reason.VENDOR_INCIDENT, "outage"),
}
_REGION: Final = TextPattern(r"[a-z]{2}(-[a-z]+)+-\d")
_ARN: Final = TextPattern(r"arn:aws[a-z-]*:health:([a-z0-9-]*):[^:]*:event/([^/]+)/.*", DOT_ALL)
_WHERE: Final = TextPattern(r"-[a-z]{2}(-[a-z]+)+-[0-9]$")
_EVERYWHERE: Final = ("global", "")
_SEVERAL: Final = "multiple_services"
_MARKS: Final = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xfe\xff", "utf-16"),
    (b"\xff\xfe", "utf-16"),
)


MISSPELLED: Final = 0.75
"""From how much likeness on a service we do not know is one of these, misspelled."""

_NAMES: Final = """
account acm amplify apigateway apprunner appconfig appflow appstream2 appsync athena
autoscaling backup batch bedrock billing certificatemanager chime clouddirectory
cloudformation cloudfront cloudhsm cloudmap cloudsearch cloudshell cloudtrail cloudwatch
codeartifact codebuild codecommit codedeploy codepipeline cognito comprehend config connect
controltower datasync detective devicefarm directconnect directoryservice dms docdb
documentdb ds dynamodb ebs ec2 ec2systemsmanager ecr ecs efs eks elasticache
elasticbeanstalk elasticcomputecloud elasticfilesystem elasticloadbalancing elasticsearch
elb emr endusermessaging eventbridge events fargate firehose fsx gamelift glacier
globalaccelerator glue guardduty health iam iamidentitycenter identityandaccessmanagement
identitycenter imagebuilder inspector internetconnectivity iot iotcore kafka
keymanagementservice keyspaces kinesis kms lakeformation lambda lex lightsail location macie
managementconsole mediaconvert memorydb mq msk multipleservices natgateway neptune
networkfirewall opensearch organizations pinpoint polly privatelink quicksight ram rds
redshift rekognition resourcegroups route53 route53resolver s3 sagemaker secretsmanager
securityhub securitytokenservice ses shield signin simpleemailservice
simplenotificationservice simplequeueservice simplestorageservice singlesignon sms sns sqs
ssm sso stepfunctions storagegateway sts supportcenter support swf textract transcribe
transitgateway translate verifiedaccess verifiedpermissions vpc vpce_privatelink waf
workdocs workmail workspaces xray
"""
SERVICES: Final = frozenset(_NAMES.split())
"""How the health dashboard names services, in short and in full, without `Amazon` and blanks.

There is no public list of them: one that is missing here is reported, not refused.
"""


class AwsEvent(msgspec.Struct, frozen=True):
    """One event: where, of what, how bad."""

    arn: str
    status: str | int
    summary: str | None = None
    service: str | None = None
    service_name: str | None = None
    region_name: str | None = None
    date: str | int | None = None
    end_time: Any = None
    impacted_services: Any = None

    @property
    def region(self) -> str:
        """The region it is of; `global` concerns every region."""
        found = _ARN.fullmatch(self.arn)
        return found[1] if found else ""

    def names(self) -> Iterator[str]:
        """Every way to name what is in trouble, in small letters."""
        found = _ARN.fullmatch(self.arn)
        slugs = [self.service or ""]
        if isinstance(self.impacted_services, dict):
            slugs += [str(slug) for slug in self.impacted_services]
        for name in (found[2] if found else "", self.service_name or "", *slugs):
            yield name.casefold()
        for slug in slugs:  # iam, of iam-us-east-1
            yield slug.casefold().removesuffix(f"-{self.region}")


@dataclass(frozen=True, kw_only=True)
class AwsEvents(Reach, Kind):
    """The public events of AWS, and which regions and services concern us; none named: all."""

    ABILITIES: ClassVar = Abilities(evidence=Evidence.CLAIM, timing=CLAIM, second_hand=True)

    url: Url = Url("https://health.aws.amazon.com/public/currentevents")  # noqa: RUF009 - a text
    regions: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def conflicts(self) -> Iterator[SettingFlaw]:
        """What is wrong with the settings taken together."""
        for number, name in enumerate(self.regions):
            if not _REGION.fullmatch(name):
                yield SettingFlaw(("regions", number), f"not a region: {name!r}", "eu-west-1 …")
        yield from unnamed("services", self.services, "service")

    def look(self, run: Run) -> Reading:
        """Read the snapshot and judge it."""
        request = Request(url=self.url)
        client = run.memory.of(ConditionalClient)
        return self.judge(client.read(run, request, parsed, self.route))

    def judge(self, events: Iterable[AwsEvent]) -> Reading:
        """What AWS admits of our regions and services."""
        wanted = {name.strip().casefold() for name in self.services}
        listed = list(events)
        near = {*self.regions, *_EVERYWHERE}
        ours = [e for e in listed if (not self.regions or e.region in near) and _is_of(e, wanted)]
        misspelled, unnamed = _unknown(
            self.services, {name for one in listed for name in one.names()}
        )
        text = "no current event concerns us"
        if unnamed:
            text += f"; AWS does not name {', '.join(unnamed)} today, and we do not know them"
        return worst((Admission(Reason.OK, text), *map(_admission, ours), *misspelled))


def _unknown(services: Iterable[str], named: set[str]) -> tuple[list[Admission], list[str]]:
    """Services that are probably misspelled, and those that are on no list."""
    misspelled, unnamed = [], []
    for service in services:
        bare = _bare(service)
        if bare in SERVICES or service.strip().casefold() in named:
            continue
        if near := alike(bare, SERVICES, 1, MISSPELLED):
            text = f"no service {service!r} of AWS; did you mean {near[0]!r}?"
            misspelled.append(Admission(Reason.SOURCE_DEAD, text))
        else:
            unnamed.append(repr(service))
    return misspelled, unnamed


def _bare(service: str) -> str:
    """A service as `SERVICES` has it: `Amazon API Gateway`, `apigateway-us-east-1` → apigateway."""
    words = _WHERE.sub("", service.strip().casefold()).split()
    return "".join(words[1:] if words[:1] in (["amazon"], ["aws"]) else words)


def _is_of(event: AwsEvent, wanted: set[str]) -> bool:
    """Whether it is of one of these services; one of several that names none is of all."""
    names = set(event.names())
    unnamed = _SEVERAL in names and not event.impacted_services
    return not wanted or unnamed or bool(names & wanted)


def _admission(event: AwsEvent) -> Admission:
    unknown = (Reason.SOURCE_DEAD, f"status {event.status}")
    reason, state = _OF_STATUS.get(str(event.status), unknown)
    if event.end_time:
        reason = Reason.OK
    what = quoted(event.service_name or event.service)
    where = quoted(event.region_name or event.region)
    words = entry(state, event.summary or "an event", what, where, since(event.date))
    return Admission(reason, words)


def parsed(_: Run, answer: Answer) -> tuple[AwsEvent, ...]:
    """The events. Raises `ProbeFailure` where they cannot be understood."""
    try:
        return parse_json_as(_text(answer.body).encode(), tuple[AwsEvent, ...])
    except UnicodeError:
        raise ProbeFailure(
            Reason.BODY_UNDECODABLE, "the body is neither UTF-16 nor UTF-8"
        ) from None
    except msgspec.ValidationError as error:
        raise ProbeFailure(Reason.SOURCE_DEAD, f"no list of events: {quoted(error)}") from None


def _text(body: bytes) -> str:
    """The body by its mark, else by where its zeros are: JSON begins with ASCII."""
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return body.decode(charset)
    if body[:1] == b"\0":
        return body.decode("utf-16-be")
    return body.decode("utf-16-le" if body[1:2] == b"\0" else "utf-8")


PROBE = AwsEvents
