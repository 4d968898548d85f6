"""Detection: frames in, faces and shot cuts out, one segment at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from videnhance.faces.alignment import eye_distance, fit_poses
from videnhance.faces.likeness import SIDE, apart, thumbnails_of
from videnhance.faces.looks import BLOCK, Looks, is_empty, leads
from videnhance.faces.shots import Signature, is_cut, signature_of
from videnhance.faces.stillness import Part, glimpse
from videnhance.faces.tracklets import Faces
from videnhance.imaging.choice import reaches, spread
from videnhance.imaging.color import upright_rgb
from videnhance.imaging.frames import Frame, Matrix
from videnhance.media.timeline import Segment, Timeline

SIZES = (480, 640, 960, 1280, 1920)
"""Long sides of the detector's pictures to choose from. Landmarks of large faces are steadier in
small pictures: on two clips CenterFace differs from RetinaFace by 2.4 and 3.5 % of the face's width
at 480, by 3.4 and 5.4 % at 960."""
SMALL_VIDEO = 640
"""A video no larger than this is searched at its own size: that is cheap, and its faces may be
small."""
USUAL_SIZE = 960
"""Chosen if the survey finds no face."""
EYES_SEEN = 12.0
"""Pixels between the eyes that the detector should see: it finds all faces of 10, three in four of
7 (161 faces of 10 clips)."""
SURVEYED = 12
"""Frames surveyed at full detail before the size is chosen; more would cost more than they help."""


class Detector(Protocol):
    """Finds faces in single pictures. Only one thread may use an object at a time.

    `batch`: the preferred number of pictures per call.
    """

    batch: int

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[Faces]:
        """Faces of each picture (H, W, 3) uint8 RGB, in that picture's continuous pixels.

        Only faces whose score reaches the detector's threshold, best first. Pictures may differ in
        size.
        """
        ...


@dataclass(frozen=True)
class Detections:
    """What was found in a range of frames.

    `faces`: by frame index, with an entry for every frame the detector saw, even without faces.
    `cuts`: the frames that begin a new shot. `long_side`: of the pictures that the detector saw;
    None where that is not known.
    """

    faces: dict[int, Faces]
    cuts: tuple[int, ...]
    long_side: int | None = None

    @staticmethod
    def joined(parts: Iterable[Detections]) -> Detections:
        faces: dict[int, Faces] = {}
        cuts: list[int] = []
        for part in parts:
            faces.update(part.faces)
            cuts.extend(part.cuts)
        return Detections(faces, tuple(cuts))

    def save(self, path: Path) -> None:
        """Write as one .npz: frames, counts, boxes, landmarks, scores, thumbnails, cuts, and the
        long side, or 0."""
        found = list(self.faces.values()) or [Faces.none()]
        thumbnails = [np.empty((0, SIDE, SIDE), np.uint8)]
        thumbnails += [f.thumbnails for f in found if f.thumbnails is not None and len(f)]
        # Through memory: on a full disk, older numpy leaves an archive that complains later.
        memory = BytesIO()
        np.savez_compressed(
            memory,
            frames=np.array(list(self.faces), np.int64),
            counts=np.array([len(f) for f in self.faces.values()], np.int64),
            boxes=np.concatenate([f.boxes for f in found]),
            landmarks=np.concatenate([f.landmarks for f in found]),
            scores=np.concatenate([f.scores for f in found]),
            thumbnails=np.concatenate(thumbnails),
            cuts=np.array(self.cuts, np.int64),
            long_side=np.int64(self.long_side or 0),
        )
        path.write_bytes(memory.getbuffer())

    @staticmethod
    def load(path: Path) -> Detections:
        with np.load(path, allow_pickle=False) as file:
            ends = np.cumsum(file["counts"])
            # Thumbnails are saved for all faces or for none.
            names = ["boxes", "landmarks", "scores"]
            names += ["thumbnails"] if len(file["thumbnails"]) == len(file["scores"]) else []
            pieces = [np.split(file[name], ends[:-1]) if len(ends) else [] for name in names]
            faces = {
                int(frame): Faces(*(piece[k] for piece in pieces))
                for k, frame in enumerate(file["frames"])
            }
            # Earlier versions did not write the long side.
            long_side = int(file["long_side"]) if "long_side" in file else 0
            return Detections(faces, tuple(int(cut) for cut in file["cuts"]), long_side or None)


def margins(segment: Segment, frames: int, every: int) -> tuple[int, int]:
    """The frames to read, half-open: from the begin of a BLOCK to a frame that is looked at surely,
    and one more on each side, to see cuts at the borders."""
    first, last = segment.start // BLOCK * BLOCK, segment.stop - 1
    while every > 1 and last + 1 < frames and (last + 1) % BLOCK and not leads(last, every):
        last += 1
    return max(first - 1, 0), min(last + 2, frames)


def survey_frames(timeline: Timeline) -> tuple[int, ...]:
    """Keyframes spread over the video: few, and cheap because they decode without neighbours."""
    count = min(SURVEYED, len(timeline.keyframes), max(len(timeline) // 32, 1))
    return tuple(timeline.keyframes[k] for k in spread(count, len(timeline.keyframes)))


def suited_size(survey: Iterable[Faces], upright_size: tuple[int, int], min_eyes: float) -> int:
    """The smallest of SIZES at which the smallest face of a survey is still found.

    `survey`: faces found at the largest size, in upright pixels. Those with less than `min_eyes`
    pixels between the eyes do not count: they would not be restored. Lengths are compared by
    `choice.reaches`.
    """
    if max(upright_size) <= SMALL_VIDEO:
        return SMALL_VIDEO
    eyes = np.concatenate([eye_distance(fit_poses(faces.landmarks)) for faces in survey])
    eyes = eyes[reaches(eyes, min_eyes)]
    if not len(eyes):
        return USUAL_SIZE
    needed = EYES_SEEN / float(eyes.min()) * max(upright_size)
    return next((size for size in SIZES if reaches(np.array(size), needed)), SIZES[-1])


def picture_size(upright_size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """(height, width) of the picture given to the detector: the upright one, never enlarged."""
    width, height = upright_size
    shrink = min(1.0, long_side / max(width, height))
    return max(round(height * shrink), 1), max(round(width * shrink), 1)


def look_at(
    frames: Sequence[Frame],
    detector: Detector,
    upright: Matrix,
    upright_size: tuple[int, int],
    long_side: int,
) -> list[Faces]:
    """The faces in each frame, in upright pixels, with their thumbnails."""
    size = picture_size(upright_size, long_side)
    grow = np.array([upright_size[0] / size[1], upright_size[1] / size[0]], np.float32)
    pictures = [upright_rgb(frame, upright, size) for frame in frames]
    return [
        Faces(
            f.boxes * np.tile(grow, 2),
            f.landmarks * grow,
            f.scores,
            thumbnails_of(picture, fit_poses(f.landmarks)),
            doubt=f.doubt,
        )
        for f, picture in zip(detector.detect(pictures), pictures, strict=True)
    ]


def detect(
    frames: Iterable[Frame],
    segment: Segment,
    total: int,
    detector: Detector,
    upright: Matrix,
    upright_size: tuple[int, int],
    *,
    every: int,
    long_side: int,
    time_base: Fraction | None = None,
) -> Detections:
    """Faces in every `every`-th frame of the segment, and in the first and last of every shot.

    If `time_base`, the seconds of a unit of pts, is given, also in both frames around a pause in
    which a face may have become another (`likeness.apart`): in a time-lapse one frame does not tell
    what the next one holds.

    Where `every` is more than 1, the detector is spared frames between two that are near in time
    and show the same faces in the same places, or none (`keep_still`): there is no entry for those.
    And it is spared pictures of a BLOCK that are like an earlier one that held no face and nothing
    like one: they hold none either. If a small part of a picture differs, it is shown that part
    first, and the whole only if that has something like a face.

    `frames` are those of `margins`, in order; `total` is the length of the whole video. Whether the
    detector sees a frame depends only on its index, its neighbours and its BLOCK, never on the
    segment.
    """
    cuts: list[int] = []
    looks = Looks(
        segment,
        lambda shown: look_at(shown, detector, upright, upright_size, long_side),
        lambda frame, part: _shows_nothing(
            frame, part, detector, upright, min(1.0, long_side / max(upright_size))
        ),
        detector.batch,
        spares=every > 1,
        unit=float(time_base) if time_base is not None else 0.0,
    )
    before: tuple[Frame, Signature] | None = None
    for frame in frames:
        signature = signature_of(frame)
        begins = before is not None and is_cut(before[1], signature)
        pause = (
            before is not None
            and time_base is not None
            and apart(float((frame.pts - before[0].pts) * time_base))
        )
        if (begins or pause) and before is not None:
            looks.at(before[0], surely=True)
        if begins and segment.start <= frame.index < segment.stop:
            cuts.append(frame.index)
        if begins or pause or frame.index == total - 1:
            looks.at(frame, surely=True)
        elif every == 1 or leads(frame.index, every):
            looks.at(frame, surely=False)
        elif frame.index % every == 0:
            looks.between(frame)
        before = (frame, signature)
    return Detections(dict(sorted(looks.all().items())), tuple(cuts), long_side)


def _shows_nothing(
    frame: Frame, part: Part, detector: Detector, upright: Matrix, shrink: float
) -> bool:
    """Whether there is nothing like a face in and around a part of the frame; False, too, where
    that is not to be known from a small picture."""
    picture = glimpse(frame, part, upright, shrink)
    return picture is not None and is_empty(detector.detect([picture])[0])
