"""Sound and the rest in containers that take them, and in those that do not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.stream import Disposition

from tests.making.captions import captioned
from tests.making.clips import packets, times, write_clip
from tests.making.odd_clips import Sound, write_odd_clip
from tests.making.passing import through
from tests.making.timelines import read_timeline
from videnhance import Settings, enhance
from videnhance.errors import ContainerError
from videnhance.media.reading.source import probe
from videnhance.media.sound.cutting import Window
from videnhance.media.sound.encoding import bound
from videnhance.media.writing.codecs import completed
from videnhance.media.writing.metadata import lost_from
from videnhance.media.writing.mux import Cut
from videnhance.media.writing.streams import plan_copying, refuse_unfit_times
from videnhance.settings.groups import DetectSettings, OutputSettings, PartSettings

PTS = tuple(range(50))


def sound(path: Path) -> tuple[str, int, int, Fraction | None]:
    """Codec, samples a second, channels, and when the first packet begins."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        first = next(p for p in container.demux(stream) if p.size)
        begin = None if first.pts is None else first.pts * Fraction(first.time_base)
        name = str(context.codec.canonical_name)
        return name, context.sample_rate, context.layout.nb_channels, begin


def samples(path: Path) -> tuple[np.ndarray, float]:
    """All samples of the first sound from -1 to 1, and when the first one is heard."""
    with av.open(str(path)) as container:
        frames = [f for f in container.decode(audio=0) if isinstance(f, AudioFrame)]
    values = [f.to_ndarray().reshape(-1) for f in frames]
    whole = np.concatenate(values).astype(np.float64)
    return whole / np.abs(whole).max(), float(frames[0].time or 0)


def later(source: Path, output: Path, seconds: Fraction) -> Path:
    """The source with its sound so much later."""
    with av.open(str(source)) as a, av.open(str(output), "w") as b:
        routes = [b.add_stream_from_template(stream, opaque=True) for stream in a.streams]
        for packet in a.demux():
            if not packet.size:
                continue
            if packet.stream.type == "audio":
                ticks = round(seconds / Fraction(packet.time_base))
                assert packet.pts is not None
                assert packet.dts is not None
                packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
            packet.stream = routes[packet.stream_index]
            b.mux(packet)
    return output


@pytest.mark.parametrize("late", [Fraction(0), Fraction(1, 2)])
@pytest.mark.parametrize("audio", ["pcm_alaw", "pcm_mulaw"])
def test_g711_goes_into_matroska_and_out_again(tmp_path: Path, audio: str, late: Fraction) -> None:
    plain = write_clip(tmp_path / "plain.mov", audio=audio, pts=PTS, aspect=Fraction(16, 11))
    source = later(plain, tmp_path / "in.mov", late)
    through(source, tmp_path / "out.mkv", preset="ultrafast")
    name, rate, channels, begin = sound(tmp_path / "out.mkv")
    assert (name, rate, channels, begin) == (audio, 8000, 1, late)
    assert packets(tmp_path / "out.mkv", "audio") == packets(source, "audio")
    assert probe(tmp_path / "out.mkv").sample_aspect_ratio == Fraction(16, 11)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert all("," not in s.metadata.get("title", "") for s in container.streams)
        assert len(list(container.decode(audio=0))) > 0
    # And from Matroska, where it is a source.
    through(tmp_path / "out.mkv", tmp_path / "again.mkv", preset="ultrafast", cut=Cut(10, 40))
    assert sound(tmp_path / "again.mkv")[0] == audio
    through(tmp_path / "out.mkv", tmp_path / "again.mp4", preset="ultrafast", audio="aac")
    assert sound(tmp_path / "again.mp4")[:3] == ("aac", 8000, 1)
    through(tmp_path / "out.mkv", tmp_path / "again.mov", preset="ultrafast")
    assert b"".join(packets(tmp_path / "again.mov", "audio")) == b"".join(packets(source, "audio"))


def test_g711_whose_channels_are_lost_is_refused(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mov", audio="pcm_mulaw", pts=PTS)
    data = bytearray(source.read_bytes())
    other = b"aHandler\0\0\0$dinf\0\0\0\x1cdref\0\0\0\0\0\0\0\1"  # what lies before it in the file
    at = data.index(b"ulaw") + 8
    data[at : at + len(other)] = other
    source.write_bytes(data)
    with pytest.raises(ContainerError, match="cannot hold audio stream 1"):
        plan_copying(probe(source), "matroska", "h264")


@pytest.mark.parametrize("cut", [None, Cut(20, 45)])
@pytest.mark.parametrize("late", [Fraction(0), Fraction(3, 10)])
@pytest.mark.parametrize(("audio", "suffix"), [("pcm_mulaw", ".mp4"), ("adpcm_ima_qt", ".mkv")])
def test_sound_encoded_anew_is_heard_when_it_was(
    tmp_path: Path, audio: str, suffix: str, late: Fraction, cut: Cut | None
) -> None:
    source = write_clip(tmp_path / "in.mov", audio=audio, pts=PTS)
    source = later(source, tmp_path / "late.mov", late)
    out = tmp_path / f"out{suffix}"
    through(source, out, preset="ultrafast", audio="aac", cut=cut)
    assert sound(out)[0] == "aac"
    before, began = samples(source)
    after, begins = samples(out)
    assert began == pytest.approx(late, abs=0.001)
    start, end = (20 / 25, 45 / 25) if cut else (0.0, 9.0)
    first = max(began, start)
    one = before[round((first - began) * 8000) :][: round((end - first) * 8000)]
    assert len(after) >= len(one) - 10
    # The tone as it was, at its time to within a sample and what Matroska rounds.
    skipped = round((first - start - begins) * 8000)
    assert skipped >= -8
    after = np.concatenate([np.zeros(8, after.dtype), after])[skipped + 8 :]
    length = len(one) - 1500
    found = [
        float(np.dot(one[500 + k : 500 + k + length], after[500 : 500 + length]))
        for k in range(-15, 16)
    ]
    assert abs(int(np.argmax(found)) - 15) <= (1 if suffix == ".mp4" else 8)


def test_a_sound_too_short_for_a_sample_of_the_output_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    with av.open(str(source), "w") as container:
        video = container.add_stream("mjpeg", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuvj420p"
        audio = container.add_stream("pcm_u8", rate=5512, layout="mono")
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * index, np.uint8))
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(video.encode(frame))
        sample = av.AudioFrame.from_ndarray(np.full((1, 1), 200, np.uint8), "u8", "mono")
        sample.sample_rate, sample.pts = 5512, 1000
        container.mux([*audio.encode(sample), *audio.encode(None), *video.encode(None)])
    out = tmp_path / "out.mp4"
    through(source, out, preset="ultrafast", audio="aac", cut=Cut(2, 8))
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == 6
        assert not container.streams.audio


def test_sound_that_damage_made_no_numbers_of_can_be_encoded() -> None:
    own = np.array([[np.nan, np.inf, -np.inf, -1e11, 0.5, 1.25]], np.float32)
    frame = av.AudioFrame.from_ndarray(own, "fltp", "mono")
    bound(frame)
    np.testing.assert_array_equal(frame.to_ndarray(), [[0, 8, -8, -8, 0.5, 1.25]])


def test_what_becomes_of_sound_is_told(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mov", audio="pcm_mulaw", pts=PTS)
    info = probe(source)
    with pytest.raises(
        ContainerError, match=r"\.mp4 cannot hold audio .*name .*\.mov.*--audio aac"
    ):
        plan_copying(info, "mp4", "h264")
    anew = plan_copying(info, "mp4", "h264", "aac")
    assert (anew.kept, anew.encoded) == ((), (1,))
    assert "encoded anew as AAC" in anew.dropped[0]
    assert plan_copying(info, "mov", "h264", "aac").kept == (1,)
    silent = plan_copying(info, "mov", "h264", "none")
    assert (silent.kept, silent.encoded) == ((), ())
    assert "left out, as asked for" in silent.dropped[0]
    through(source, tmp_path / "out.mp4", preset="ultrafast", audio="none")
    assert packets(tmp_path / "out.mp4", "audio") == []
    assert times(tmp_path / "out.mp4") == times(source)


def test_only_sound_is_left_out_where_sound_is_unwanted(tmp_path: Path) -> None:
    source = captioned(tmp_path, write_clip(tmp_path / "in.mkv", audio="flac", pts=PTS))
    copying = plan_copying(probe(source), "matroska", "h264", "none")
    kinds = [probe(source).streams[k].kind for k in copying.kept]
    assert kinds == ["subtitle"]
    assert len(copying.dropped) == 1


def test_sound_that_no_container_holds_is_told_so(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.flv", audio="adpcm_swf", rate=11025, codec="flv", pts=PTS)
    with pytest.raises(
        ContainerError,
        match=r"nor can any other container offered, or choose: --audio aac enc.*none",
    ):
        plan_copying(probe(source), "matroska", "h264")


def test_sound_that_mp4_refuses_at_its_end_is_refused_before_any_work(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.webm", audio="libopus", rate=48000, codec="libvpx", pts=PTS)
    # Opus without its header: 19 bytes of CodecPrivate (63 A2) become Void (EC).
    data = source.read_bytes()
    assert data.count(b"\x63\xa2\x93OpusHead") == 1
    source.write_bytes(data.replace(b"\x63\xa2\x93OpusHead", b"\xec\x40\x13OpusHead"))
    with pytest.raises(ContainerError, match=r"mp4 cannot hold audio stream 1 \(opus\).*\.mkv"):
        plan_copying(probe(source), "mp4", "h264")
    assert plan_copying(probe(source), "matroska", "h264").kept == (1,)


def test_frames_faster_than_matroska_counts_are_refused(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "in.mp4", pts=range(8), time_base=Fraction(1, 4000))
    timeline = read_timeline(probe(source))
    refuse_unfit_times(source, timeline, "mp4")
    with pytest.raises(ContainerError, match=r"\.mkv counts time in milliseconds.* 4000 "):
        refuse_unfit_times(source, timeline, "matroska")
    # However late they are.
    late = replace(timeline, pts=tuple(t + 1_000_000 for t in timeline.pts))
    with pytest.raises(ContainerError, match=" 4000 "):
        refuse_unfit_times(source, late, "matroska")


def test_frames_weeks_apart_are_kept_where_a_container_can(
    tmp_path: Path, square_detector: str
) -> None:
    """Files of MP4 type, segments among them, count a frame's length in 32 bits."""
    month = 30 * 86400 * 1000
    pts = (0, 40, 80, month, month + 40)
    source = write_clip(tmp_path / "in.mkv", pts=pts, time_base=Fraction(1, 1000), codec="ffv1")
    wish = Settings(
        detect=DetectSettings(detector=square_detector), output=OutputSettings(codec="ffv1")
    )
    enhance(source, tmp_path / "out.mkv", wish)
    assert times(tmp_path / "out.mkv") == [Fraction(t, 1000) for t in pts]
    with pytest.raises(ContainerError, match=r"720\.0 hours apart, more than \.mp4 can tell"):
        enhance(source, tmp_path / "out.mp4", wish)
    part = replace(wish, part=PartSettings(start="3f"))
    assert enhance(source, tmp_path / "part.mp4", part).frames == 2


def test_another_codec_header_amid_the_sound_does_not_spoil_matroska(
    tmp_path: Path, square_detector: str
) -> None:
    source = write_odd_clip(
        tmp_path / "in.flv", codec="libx264", pix_fmt="yuv420p", sounds=[Sound("aac")]
    )
    data, tags, at = source.read_bytes(), [], 13
    while at + 11 <= len(data):  # FLV 10.1, E.4.1: 11 bytes, the tag's data, its length again
        end = at + 15 + int.from_bytes(data[at + 1 : at + 4], "big")
        tags.append(data[at:end])
        at = end
    sounds = [k for k, tag in enumerate(tags) if tag[0] == 8]
    first = tags[sounds[0]]
    assert first[12] == 0  # AACPacketType: the header
    later = tags[sounds[3]]
    body = first[11:-4] + bytes(range(60))
    header = b"\x08" + len(body).to_bytes(3, "big") + later[4:11] + body
    tags.insert(sounds[3], header + (len(header)).to_bytes(4, "big"))
    source.write_bytes(data[:13] + b"".join(tags))
    wish = Settings(
        detect=DetectSettings(detector=square_detector), output=OutputSettings(codec="ffv1")
    )
    enhance(source, tmp_path / "out.mkv", wish)
    assert packets(tmp_path / "out.mkv", "audio") == packets(source, "audio")


def test_a_name_without_a_suffix_is_matroska(tmp_path: Path) -> None:
    assert completed(tmp_path / "out") == tmp_path / "out.mkv"
    assert completed(tmp_path / "out.mp4") == tmp_path / "out.mp4"
    assert completed(tmp_path / "out.xyz") == tmp_path / "out.xyz"
    assert completed(tmp_path) == tmp_path  # a folder: refused later, as one


TOLD = {
    "title": "Gate",
    "camera": "Cam 4",
    "creation_time": "2024-01-02T03:04:05.000000Z",
    "com.vendor.serial": "X1",
}


def described(folder: Path, suffix: str, *, timecode: bool = False) -> Path:
    """A clip of which much is said: title, chapters, language, disposition."""
    plain = write_clip(folder / "plain.mkv", audio="aac", pts=PTS)
    source = folder / f"in{suffix}"
    options = {"movflags": "use_metadata_tags"} if suffix != ".mkv" else {}
    with av.open(str(plain)) as a, av.open(str(source), "w", options=options) as b:
        routes = [b.add_stream_from_template(stream, opaque=True) for stream in a.streams]
        routes[1].metadata.update({"title": "Microphone", "language": "deu"})
        routes[1].disposition = Disposition.hearing_impaired
        if timecode:
            routes[0].metadata["timecode"] = "01:00:00:00"
        b.metadata.update(TOLD)
        milliseconds = Fraction(1, 1000)
        door = {"title": "Door"}
        b.set_chapters(
            [{"id": 1, "start": 0, "end": 900, "time_base": milliseconds, "metadata": door}]
        )
        for packet in a.demux():
            if packet.size:
                packet.stream = routes[packet.stream_index]
                b.mux(packet)
    return source


@pytest.mark.parametrize("inside", [".mkv", ".mp4"])
@pytest.mark.parametrize("outside", [".mkv", ".mp4", ".mov"])
def test_what_is_said_of_a_file_is_kept_or_named(tmp_path: Path, inside: str, outside: str) -> None:
    source = described(tmp_path, inside)
    out = tmp_path / f"out{outside}"
    lost = through(source, out, preset="ultrafast").lost
    with av.open(str(out)) as container:
        said = {name.casefold(): value for name, value in container.metadata.items()}
        assert TOLD.items() <= said.items()
        assert [c["metadata"] for c in container.chapters()] == [{"title": "Door"}]
        stream = container.streams.audio[0]
        assert "Microphone" in (stream.metadata.get("title"), stream.metadata.get("name"))
        language = stream.metadata.get("language")
        hearing = bool(stream.disposition & Disposition.hearing_impaired)
    # What QuickTime's list of languages and MOV lack is told.
    assert ("language deu" in " ".join(lost)) == (language != "deu")
    assert ("hearing_impaired" in " ".join(lost)) == (not hearing)
    if inside == outside:
        assert lost == ()


def test_metadata_that_is_lost_is_named(tmp_path: Path) -> None:
    source = described(tmp_path, ".mkv")
    through(source, tmp_path / "out.mp4", preset="ultrafast")
    info, kept = probe(source), (1,)
    # A file without any of it, as an output would be whose muxer left it out.
    bare = write_clip(tmp_path / "bare.mp4", audio="aac", pts=PTS)
    found = " / ".join(lost_from(info, bare, ".mp4", Window(None, None), kept))
    assert "metadata that .mp4 does not hold is left out: camera, com.vendor.serial" in (
        found.casefold()
    )
    assert ".mp4 holds 0 of 1 chapters" in found
    assert "audio stream 1: disposition" in found
    assert "title Microphone" in found


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_that_is_not_decoded_is_named(tmp_path: Path, codec: str) -> None:
    options = {"auto-alt-ref": "0"}
    source = write_clip(
        tmp_path / "in.webm", codec=codec, pix_fmt="yuva420p", pts=PTS[:6], options=options
    )
    lost = through(source, tmp_path / "out.mkv", preset="ultrafast").lost
    assert [text for text in lost if "transparency is left out" in text]
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert "ALPHA_MODE" not in container.streams.video[0].metadata
    opaque = write_clip(tmp_path / "opaque.webm", codec=codec, pts=PTS[:6])
    assert through(opaque, tmp_path / "again.mkv", preset="ultrafast").lost == ()


def test_streams_that_the_muxer_writes_anew_are_no_loss(tmp_path: Path) -> None:
    source = described(tmp_path, ".mov", timecode=True)
    info = probe(source)
    assert [s.kind for s in info.streams][:3] == ["video", "audio", "data"]
    assert plan_copying(info, "mov", "h264").dropped == ()
    through(source, tmp_path / "out.mov", preset="ultrafast")
    for path in (source, tmp_path / "out.mov"):
        with av.open(str(path)) as container:
            assert container.streams.video[0].metadata.get("timecode") == "01:00:00:00"
    with av.open(str(tmp_path / "out.mov")) as container:
        assert len(container.chapters()) == 1
