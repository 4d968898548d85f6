"""What the steps pass on about faces: detections of one frame, tracks through a shot, crops.

All coordinates are continuous pixels (see imaging/frames.py) of the upright picture: the source
turned and stretched as a player shows it, before any `--scale`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from videnhance.imaging.frames import Crop, Zone


@dataclass(frozen=True)
class Faces:
    """The faces detected in one frame. If there are none, its length is 0; it is never None.

    boxes (N, 4) float32 x0 y0 x1 y1; landmarks (N, 5, 2) float32 as (x, y): the eye, then the
    mouth corner, on the picture's left come before those on its right (left eye, right eye, nose
    tip, left mouth corner, right mouth corner, as the viewer sees them); scores (N,) float32, 0..1.
    thumbnails (N, 16, 16) uint8: a tiny picture of each face (faces/likeness.py), or None.
    doubt: the best score below the detector's threshold, as a share of it.
    """

    boxes: npt.NDArray[np.float32]
    landmarks: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    thumbnails: npt.NDArray[np.uint8] | None = None
    doubt: float = field(default=0.0, kw_only=True)

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, keep: npt.NDArray[np.generic]) -> Faces:
        """The faces chosen by a boolean mask or an index array."""
        thumbnails = None if self.thumbnails is None else self.thumbnails[keep]
        return Faces(self.boxes[keep], self.landmarks[keep], self.scores[keep], thumbnails)

    @staticmethod
    def none() -> Faces:
        return Faces(
            np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32), np.empty(0, np.float32)
        )


@dataclass(frozen=True)
class Tracklet:
    """One face in one shot: a smoothed pose for every frame from its first to its last detection.

    poses (n, 4) float64: x, y of the alignment template's landmark centroid, log of the crop's
    side (the length in pixels that the unit square of the template covers), rotation in radians
    (unwrapped). landmarks (n, 5, 2) float64, smoothed. scores (n,) float64: the detector's score,
    NaN in frames without a detection. Row k belongs to frame `start + k`.
    """

    id: int
    start: int
    poses: npt.NDArray[np.float64]
    landmarks: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    opens_shot: bool
    """It begins on the first frame of its shot, or after a pause in which faces may have changed
    (likeness.apart), so its effect need not fade in."""
    closes_shot: bool
    """It ends on the last frame of its shot, or before such a pause, so its effect need not fade
    out."""
    person: int | None = None
    """Whose face it may be: tracks of one number are taken for one person (identity/persons.py);
    None where nothing was concluded."""

    def __len__(self) -> int:
        return len(self.poses)

    @property
    def stop(self) -> int:
        """One past the index of the last frame."""
        return self.start + len(self)

    @property
    def observed(self) -> npt.NDArray[np.bool_]:
        """(n,) bool: whether the frame has a detection."""
        return ~np.isnan(self.scores)


@dataclass(frozen=True)
class Tracks:
    """The contents of a tracks.json: the faces of a video, and zones that must not be painted.

    `others`: tracks that were not chosen. Nothing is done to them, but they may hide those that
    were.
    """

    tracklets: tuple[Tracklet, ...]
    zones: tuple[Zone, ...] = ()
    others: tuple[Tracklet, ...] = field(default=(), compare=False)

    @property
    def everyone(self) -> tuple[Tracklet, ...]:
        return (*self.tracklets, *self.others)


@dataclass(frozen=True)
class CropWindow:
    """The aligned crops of one tracklet around the frame to restore.

    crops: (S, S, 3) float32 RGB, nominally 0..1, one per frame of `frames`, oldest first, all of
    one tracklet and so of one shot; `centre` indexes the one to restore. `zoom`: crop pixels per
    source pixel; above 1 the crop was enlarged and holds no more detail than the source.
    `whole`: the frames of the tracklet; None where the window is all there is of it.
    """

    tracklet: int
    frames: tuple[int, ...]
    crops: tuple[Crop, ...]
    centre: int
    zoom: float
    whole: range | None = None

    @property
    def span(self) -> range:
        """The frames of the tracklet."""
        return self.whole or range(self.frames[0], self.frames[-1] + 1)
