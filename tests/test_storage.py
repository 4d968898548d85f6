"""Object storage, by a server that speaks S3: files, parts of them, failures, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import fsspec
import pytest

from tests.making.clips import square_frames, write_rgb
from tests.making.interrupted import same
from tests.making.store import BUCKET, Store, serving
from videnhance import storage
from videnhance.errors import InputError, OutputError, UsageError
from videnhance.job.run import enhance
from videnhance.job.workers import fetched
from videnhance.job.workers.fetched import FetchedRecording, PartialFile, places_of
from videnhance.job.workers.stored import enhance_stored
from videnhance.media.opening import open_clip
from videnhance.media.timeline import Timeline
from videnhance.settings.groups import DetectSettings, OutputSettings, Settings
from videnhance.storage import Stored, url_of

PLACE = f"s3://{BUCKET}/one/a.bin"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(storage, "_FIRST_PAUSE", 0.0)
    with serving(monkeypatch) as found:
        yield found


def test_urls_are_told_from_names_of_files() -> None:
    assert url_of("s3://b/c.mp4") == url_of(Path("s3://b/c.mp4")) == "s3://b/c.mp4"
    assert url_of(Path("gs://b/d/c.mp4")) == "gs://b/d/c.mp4"
    for name in ("a.mp4", "/s3/b/c.mp4", "file:///a.mp4", "http://b/c.mp4", "10:30:00.mp4"):
        assert url_of(name) is None


@pytest.mark.slow
def test_files_come_and_go_though_every_third_request_fails(tmp_path: Path, store: Store) -> None:
    content = bytes(range(256)) * 100
    (tmp_path / "a.bin").write_bytes(content)
    store.fails = lambda number: number % 3 == 0
    stored = Stored(PLACE)
    assert stored.size() is None
    stored.put(tmp_path / "a.bin")
    assert stored.size() == len(content)
    assert stored.read(300, 1000) == content[300:1000]
    stored.beside("b.bin").put(tmp_path / "a.bin")
    Stored(f"s3://{BUCKET}/one/b.bin").fetch(tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == content
    stored.remove()
    stored.remove()
    assert stored.size() is None
    assert len(store.asked) // 3 > 2


@pytest.mark.slow
def test_what_storage_refuses_is_one_line(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"a")

    def told(kind: type[Exception], act: object) -> str:
        with pytest.raises(kind) as refused:
            act()  # type: ignore[operator]
        assert "\n" not in str(refused.value)
        return str(refused.value)

    stored = Stored(PLACE)
    assert told(InputError, lambda: stored.read(0, 1)).startswith(f"{PLACE}: is not there; name")
    nowhere = Stored("s3://no-such-bucket/a.bin")
    assert told(OutputError, lambda: nowhere.put(file)).endswith(
        "cannot be written, as there is no such bucket; create it, or name another"
    )
    store.denied = "/one/"
    denied = f"{PLACE}: access is denied ("
    assert told(OutputError, lambda: stored.put(file)).startswith(denied)
    assert told(InputError, lambda: stored.read(0, 1)).startswith(denied)
    assert "check the rights of these credentials" in told(InputError, stored.size)
    store.denied = "no such thing"
    monkeypatch.setattr(storage, "TRIES", 2)
    monkeypatch.setattr(storage, "_file_system", lambda url: Failing())
    assert told(OutputError, lambda: stored.put(file)).startswith(f"{PLACE}: failed 2 times (slow")
    monkeypatch.undo()
    monkeypatch.setattr(fsspec, "filesystem", MagicMock(side_effect=ImportError("Install s3fs")))
    assert told(UsageError, stored.size).endswith('install it: pip install "videnhance[s3]"')


class Failing:
    def put_file(self, path: str, url: str) -> None:
        raise ConnectionError("slow down")

    def invalidate_cache(self) -> None:
        pass


def frames_equal(one: FetchedRecording, clip: object, start: int, stop: int) -> None:
    expected = clip.recorded.frames(start, stop, "yuv420p")  # type: ignore[attr-defined]
    found = one.frames(start, stop, "yuv420p")
    count = 0
    for a, b in zip(expected, found, strict=True):
        assert (a.index, a.pts) == (b.index, b.pts)
        assert all((p == q).all() for p, q in zip(a.planes, b.planes, strict=True))
        count += 1
    assert count == stop - start


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in.mp4", "in.mkv", "in.ts"])
def test_only_the_bytes_are_fetched_that_frames_need(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(fetched, "PROBED", 60_000)
    monkeypatch.setattr(fetched, "_BEYOND", 4)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    path = write_rgb(
        tmp_path / name,
        square_frames(240),
        codec="libx264",
        audio="aac",
        options={"g": "12", "bf": "2", "crf": "3"},
    )
    stored = Stored(f"s3://{BUCKET}/{name}")
    stored.put(path)
    store.sent = 0
    clip = open_clip(path)
    assert isinstance(clip.timeline, Timeline)
    places = places_of(clip.recorded)
    assert (places is None) is (name == "in.ts")
    elsewhere = tmp_path / "elsewhere" / name
    partial = PartialFile(stored, elsewhere, path.stat().st_size)
    recording = FetchedRecording.of(
        replace(clip.recorded, info=replace(clip.info, path=elsewhere)), partial, places
    )
    frames_equal(recording, clip, 160, 180)
    share = partial.fetched / partial.size
    assert partial.fetched == store.sent
    if places is None:
        assert share == 1
    else:
        assert share < 0.6
        # What is there is not fetched again, also by another process of the machine.
        again = PartialFile(stored, elsewhere, partial.size)
        frames_equal(replace(recording, partial=again), clip, 164, 178)
        assert again.fetched == 0
    frames_equal(recording, clip, 0, 5)
    frames_equal(recording, clip, 230, 240)
    # Where packets do not lie as they are said to, all of it is fetched.
    if places is not None:
        wrong = replace(places, begins=places.begins + 1)
        third = PartialFile(stored, tmp_path / "third" / name, partial.size)
        third_info = replace(clip.info, path=third.path)
        other = FetchedRecording.of(replace(clip.recorded, info=third_info), third, wrong)
        frames_equal(other, clip, 100, 130)
        assert third.fetched == third.size


@pytest.mark.slow
def test_a_video_in_a_bucket_becomes_one_in_a_bucket(
    tmp_path: Path, store: Store, square_clip: Path, square_detector: str
) -> None:
    wish = Settings(
        detect=DetectSettings(detector=square_detector), output=OutputSettings(codec="ffv1")
    )
    source, output = f"s3://{BUCKET}/in/in.mkv", f"s3://{BUCKET}/out/out.mkv"
    stage = tmp_path / "stage"
    Stored(source).put(square_clip)
    store.denied = "/out/out.mkv"
    with pytest.raises(OutputError, match=r"out/out.mkv.json: access is denied"):
        enhance_stored(Path(source), Path(output), wish, stage=stage, overwrite=True)
    store.denied = "no such thing"
    before = (stage / "result" / "out.mkv").stat().st_mtime_ns
    summary = enhance_stored(source, output, wish, stage=stage)  # which goes on
    assert f"put at {output}" in summary.notes and not stage.exists()
    assert summary.believed == summary.frames and before  # it was finished
    puts = [path for method, path, _ in store.asked if (method, path[-7:]) == ("PUT", "out.mkv")]
    assert len(puts) == 1
    Stored(output).fetch(tmp_path / "back.mkv")
    enhance(square_clip, tmp_path / "local.mkv", wish)
    same(tmp_path / "back.mkv", tmp_path / "local.mkv")
    assert Stored(f"{output}.json").size()
    with pytest.raises(OutputError, match=r"out/out.mkv: exists already; choose another name or"):
        enhance_stored(source, output, wish, stage=stage)
    with pytest.raises(InputError, match=r"none.mkv: is not there; name a file in a bucket"):
        enhance_stored(f"s3://{BUCKET}/none.mkv", tmp_path / "out.mkv", wish, stage=stage)
