"""One attempt at a request: what its steps work with, and what each leaves for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from videnhance.faces.tracklets import Tracks
from videnhance.identity import EMBEDDERS
from videnhance.identity.drift import Drift
from videnhance.imaging.label import Label, reference_white
from videnhance.inference.cache import version_of
from videnhance.job.directory.folder import JobDirectory
from videnhance.job.directory.machine import Machine, this_machine
from videnhance.job.directory.record import Record, make_record
from videnhance.job.monitor import Monitor
from videnhance.job.plan import Plan, Scope
from videnhance.job.request import JobRequest, TracksFile
from videnhance.job.source import SourceFiles
from videnhance.media.check.frames import Check
from videnhance.media.reading.marks import UNMARKED, FoundMarks
from videnhance.media.timeline import Segment
from videnhance.media.writing.marks import ENHANCED, INVENTED, Mark
from videnhance.media.writing.signing import Signatory
from videnhance.models.loader import Loader
from videnhance.render.fates import Fates
from videnhance.render.networks import Networks, backends_of, finding_rows, rendering_rows
from videnhance.render.outcome import LeftAlone
from videnhance.restorers import Restorer
from videnhance.settings.groups import AI_UPSCALERS, Settings
from videnhance.show.compare import labels_of
from videnhance.show.stills import Provenance

NO_TRACKS = Tracks(())
RESTORED, ENLARGED = "AI-restored faces", "AI-enlarged picture"
"""What a label says."""


@dataclass(frozen=True)
class Job:
    """A step takes one and returns the next."""

    request: JobRequest
    monitor: Monitor
    scope: Scope
    planned: Plan | None
    """How the output is made; None where the job ends with the tracks."""
    source: SourceFiles
    tracks_file: TracksFile | None
    """The one that the request names."""
    loader: Loader
    was_begun: bool
    """Whether the directory held a job before."""
    entered: Record | None = None
    """What job.json says, once the directory is entered."""
    networks: tuple[Networks, ...] = ()
    detections: tuple[Path, ...] = ()
    """A file for each of the scope's detection segments."""
    tracks: Tracks = NO_TRACKS
    segments: tuple[tuple[Segment, Path], ...] = ()
    """The rendered files."""
    gainless: tuple[int, ...] = ()
    """Ids of the tracks that were rendered without a difference that a viewer can see."""
    restored: int | None = None
    """How many faces were; None where nothing of that is known."""
    fates: Fates = field(default_factory=Fates)
    """What became of each face in each frame."""
    left_alone: Mapping[int, LeftAlone] = field(default_factory=dict)
    """By track id, those of whose faces some were left as recorded."""
    invention: Mapping[int, float] = field(default_factory=dict)
    """By track id, the share of what was restored that is a guess, where that was measured."""
    ceilings: Mapping[int, float] = field(default_factory=dict)
    """By track id, the share of the strength below 1 that `--max-drift` leaves; 0: left alone."""
    drifts: Mapping[int, Drift] = field(default_factory=dict)
    """By track id, how far restored faces drift from their sources, where it was measured."""
    portraits: tuple[str, ...] = ()
    """What was made of each person, or why nothing was, one line each."""
    has_grown: bool = False
    """Whether the source is longer by now than the work on it."""
    found: FoundMarks = UNMARKED
    """What the source says of itself."""
    signatory: Signatory | None = None
    """Who signs the output."""
    check: Check | None = None
    """What was found equal in the output."""

    @property
    def directory(self) -> JobDirectory:
        return self.request.directory

    @property
    def settings(self) -> Settings:
        """As the plan resolved them: "auto" is the detector it stands for."""
        return self.scope.settings

    @property
    def plan(self) -> Plan:
        """The plan of a job that renders."""
        assert self.planned is not None
        return self.planned

    @property
    def record(self) -> Record:
        """What job.json says, of a job whose directory is entered."""
        assert self.entered is not None
        return self.entered

    @property
    def restorer(self) -> Restorer | None:
        """None where the job ends with the tracks."""
        return self.networks[0].restorer if self.networks else None

    @property
    def may_overwrite(self) -> bool:
        """Whether files that are there may be replaced: as asked, or as this job's own."""
        return self.request.overwrite or self.was_begun

    @property
    def has_faces(self) -> bool:
        """Whether there is a face to work on in the range."""
        start, stop = self.scope.start, self.scope.stop
        return any(t.start < stop and start < t.stop for t in self.tracks.tracklets)

    @property
    def label(self) -> Label | None:
        """What is written into every frame of a result that shows what the clip does not hold; None
        where nothing is."""
        assert self.restorer is not None
        wish, upscaler = self.settings.evidence, self.settings.output.upscaler
        texts = [RESTORED] if self.restorer.invents and self.has_faces else []
        texts += [ENLARGED] if upscaler in AI_UPSCALERS else []
        if not (wish.label and texts):
            return None
        white = reference_white(self.scope.clip.info.color.transfer)
        return Label(", ".join(texts), wish.label_size, wish.label_place, white)

    @property
    def mark(self) -> Mark:
        """What the result says of itself."""
        assert self.restorer is not None
        wish, clip = self.settings, self.scope.clip
        name, invents = method_of(wish, self.restorer)
        made_up = invents and (self.has_faces or wish.output.upscaler in AI_UPSCALERS)
        seen = self.has_faces and self.restorer.name != "identity"
        changes = seen or clip.cleaning or wish.finish.changes or wish.output.scale != 1
        about = labels_of(name, invents)[1] if seen or made_up else "no face restored"
        return self.mark_as(INVENTED if made_up else ENHANCED if changes else None, about)

    def mark_as(self, term: str | None, about: str) -> Mark:
        """The mark of something that was made from the source."""
        return Mark(term, about, f"videnhance {version_of('videnhance')}", self.found)

    @property
    def provenance(self) -> Provenance:
        """What the frames of the result are made with."""
        assert self.restorer is not None
        name, invents = method_of(self.settings, self.restorer)
        measuring = {row.weights for row in EMBEDDERS.values()}
        used = self.loader.obtained.items()
        models = {name: one.sha256 for name, one in used if name not in measuring}
        return Provenance(name, invents, models, self.mark)

    @property
    def machine(self) -> Machine:
        """What this process works on, as far as the job's results depend on it."""
        rendering = rendering_rows(self.settings) if self.planned else []
        finding = [] if self.tracks_file else finding_rows(self.settings)
        backends = backends_of([*finding, *rendering], self.settings)
        return this_machine(backends, self.settings.compute.devices)

    def make_record(self, complete: bool) -> Record:
        """What job.json is to say; the source's content is read only for a `complete` one."""
        identified, file = complete and self.request.identify, self.tracks_file
        return make_record(
            self.scope,
            self.request.output,
            self.planned,
            overwrite=self.request.overwrite,
            keep_job=self.request.keep_job,
            source_sha256=self.source.sha256(self.tell_hash) if identified else None,
            tracks=(file.path, file.sha256) if file else None,
            models=self.loader.obtained,
            machine=self.machine,
            kind=self.request.kind,
            origins=self.request.origins,
        )

    def tell_hash(self, done: int, total: int) -> None:
        """Progress of hashing the source."""
        self.monitor.tell("hash", done, total)


def method_of(settings: Settings, restorer: Restorer) -> tuple[str, bool]:
    """What frames are made with, by name, and whether that can show what the clip does not hold."""
    upscaler = settings.output.upscaler
    if upscaler == "lanczos":
        return restorer.name, restorer.invents
    return f"{restorer.name} + {upscaler}", True
