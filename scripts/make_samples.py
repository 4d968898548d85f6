"""Make samples/cctv.mp4: a dim, noisy CCTV clip whose undamaged truth can be rendered again.

The people are one public-domain photograph (scikit-image's bundled astronaut, NASA), cut out and
walked through two drawn rooms by continuous functions of time. Because the scene is computed, it
can also be had without blur, noise and codec, at any size: see `clean_frames`.

Points are continuous pixels (x, y) of the 640 x 360 picture, (0, 0) its top-left corner; colours
are RGB; times are seconds unless a name says frame.

    python scripts/make_samples.py --output samples/cctv.mp4
"""

from __future__ import annotations

import argparse
import datetime
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from skimage import data

WIDTH, HEIGHT, FPS, FRAMES, CUT = 640, 360, 25, 220, 120
RATE = 48_000
"""Audio samples per second."""
MARGIN, MASTER = 40, 4
"""Rooms are drawn 40 pixels larger on every side, for the camera's sway, and at four times size."""
CLOCK_START = datetime.datetime(2024, 3, 11, 2, 17, 44)
SEED = 20240311
PHOTONS_PER_LEVEL, READ_NOISE = 0.6, 4.0
"""Sensor: photons for one of 256 levels of brightness; noise of its electronics in levels."""
CRF = "26"

Image = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

# Where CenterFace sees the face in the photograph: box corners, then eyes, nose, mouth corners.
FACE_BOX = np.array([[181.5, 58.2], [269.9, 58.2], [269.9, 177.8], [181.5, 177.8]])
LANDMARKS = np.array([[203.2, 101.7], [247, 104.5], [223.3, 125.1], [203.4, 142.3], [241.3, 144.4]])

# The person with the helmet she carries, traced on the photograph by hand.
OUTLINE = """
    201,23 185,38 163,51 156,61 154,73 155,98 172,124 176,130 182,133 184,150 170,149 149,153
    131,167 121,183 120,192 123,204 114,204 91,226 65,246 41,291 39,305 26,342 26,366 20,390 21,419
    25,432 24,460 29,494 27,515 511,515 506,488 503,470 496,455 492,428 475,395 452,364 436,351
    418,345 376,346 363,343 360,340 356,302 352,287 347,281 341,264 331,253 303,232 292,207 275,186
    258,176 261,155 265,141 269,136 275,134 290,117 296,107 300,92 296,58 288,43 279,34 248,18
    227,16 211,22
"""


@dataclass(frozen=True)
class Walk:
    """One person's way through a shot, given at its first and last frame; steady in between."""

    frames: tuple[int, int]
    x: tuple[float, float]
    """Centre of the face."""
    face_width: tuple[float, float]
    """It grows by the same factor every frame."""
    bottom: float
    """Where the photograph's lower edge stays: below the picture, or behind something."""
    mirrored: bool
    behind_front: bool
    """Whether the room's front (counter, corner of a wall) stands between camera and person."""
    phase: float
    """Radians; keeps two people from moving alike."""

    def to_room(self, index: int) -> Matrix:
        """The 3 x 3 matrix from the photograph's pixels to the room's, at one frame."""
        first, last = self.frames
        t, u = index / FPS, (index - first) / (last - first)
        width = self.face_width[0] * (self.face_width[1] / self.face_width[0]) ** u
        size = width / np.ptp(FACE_BOX[:, 0])
        centre_x, centre_y = FACE_BOX.mean(axis=0)
        step, turn = np.sin(2 * np.pi * 1.8 * t + self.phase), np.sin(1.9 * t + self.phase)
        x = self.x[0] + (self.x[1] - self.x[0]) * u + 0.03 * width * step
        y = self.bottom - size * (511 - centre_y) + 0.025 * width * np.cos(2 * np.pi * 3.6 * t)
        flip = -1 if self.mirrored else 1
        shape = size * np.array([[flip * (1 - 0.06 * turn**2), 0.05 * turn], [0, 1]])
        return _move(x, y) @ _affine(_rotation(0.03 * step) @ shape) @ _move(-centre_x, -centre_y)


@dataclass(frozen=True)
class Shot:
    """A stretch without a cut: who walks, farthest first, and where the lamp hangs."""

    walks: tuple[Walk, ...]
    hidden_left_of: float
    """The room's front hides faces that reach beyond this x."""
    lamp: tuple[float, float]


LOBBY = Shot(
    walks=(
        Walk((48, 120), (668, 512), (32, 38), 268, True, True, phase=2.0),
        Walk((0, 120), (-122, 392), (50, 68), 388, False, False, phase=0.4),
    ),
    hidden_left_of=-np.inf,
    lamp=(390, 10),
)
PASSAGE = Shot(
    walks=(Walk((CUT, FRAMES), (705, 30), (50, 58), 386, False, True, phase=1.1),),
    hidden_left_of=128,
    lamp=(300, -10),
)


def clean_frames(
    start: int = 0, stop: int = FRAMES, scale: int = 1
) -> Iterator[npt.NDArray[np.uint8]]:
    """Frames [start, stop) as a faultless camera sees them: (360 * scale, 640 * scale, 3) RGB.

    Same scene, darkness and clock as the clip's, without lens blur, noise and codec. The face is 88
    pixels wide in the photograph: detail beyond that is interpolated, whatever the scale.
    """
    for index in range(start, stop):
        yield _burn_clock(_scene(index, scale), index, scale)


def true_faces(index: int) -> tuple[Matrix, Matrix]:
    """Faces wholly in sight at a frame: boxes (N, 4) x0 y0 x1 y1 and landmarks (N, 5, 2).

    Landmarks in the order left eye, right eye, nose, mouth corners, left as the viewer sees it.
    """
    shot, boxes, landmarks = _shot(index), [], []
    for walk in shot.walks:
        if walk.frames[0] <= index:
            matrix = _camera(index) @ walk.to_room(index)
            corners = _apply(matrix, FACE_BOX)
            (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
            if max(0, shot.hidden_left_of) <= x0 and x1 <= WIDTH and y0 >= 0 and y1 <= HEIGHT:
                boxes.append([x0, y0, x1, y1])
                order = [1, 0, 2, 4, 3] if walk.mirrored else [0, 1, 2, 3, 4]
                landmarks.append(_apply(matrix, LANDMARKS[order]))
    return np.reshape(boxes, (-1, 4)), np.reshape(landmarks, (-1, 5, 2))


def _shot(index: int) -> Shot:
    return LOBBY if index < CUT else PASSAGE


def _scene(index: int, scale: int) -> Image:
    """The dim scene, 0..255 with fractions, before any camera fault and without clock."""
    shot = _shot(index)
    back, front = _room(index < CUT, scale)
    view = _affine(scale * np.eye(2)) @ _camera(index)
    plate = view @ _move(-MARGIN, -MARGIN) @ _affine(np.eye(2) / scale)
    size = (WIDTH * scale, HEIGHT * scale)
    here = [walk for walk in shot.walks if walk.frames[0] <= index]
    people = [_warp(_person(), view @ walk.to_room(index), size) for walk in here]
    people.insert(sum(walk.behind_front for walk in here), _warp(front, plate, size))
    picture = _warp(back, plate, size)[..., :3]
    for layer in people:
        picture = layer[..., :3] + picture * (1 - layer[..., 3:])
    return _dim(picture, shot.lamp, scale)


def _camera(index: int) -> Matrix:
    """Room to picture: a pole-mounted camera, swaying slowly with a little tremble on top."""
    t = index / FPS
    x = 2.3 * np.sin(1.3 * t) + 0.6 * np.sin(5.1 * t + 1)
    y = 1.4 * np.sin(1.7 * t + 2) + 0.4 * np.sin(6.3 * t)
    turn = _affine(_rotation(0.003 * np.sin(1.1 * t)))
    return _move(WIDTH / 2 + x, HEIGHT / 2 + y) @ turn @ _move(-WIDTH / 2, -HEIGHT / 2)


def _dim(picture: Image, lamp: tuple[float, float], scale: int) -> Image:
    """One lamp, then the flat, nearly colourless curve of a camera at its highest gain."""
    x = (np.arange(WIDTH * scale) + 0.5) / scale - lamp[0]
    y = (np.arange(HEIGHT * scale)[:, None] + 0.5) / scale - lamp[1]
    glow = np.exp(-(x**2 + (1.1 * y) ** 2) / (2 * 260**2))
    light = (0.5 + 0.55 * glow).astype(np.float32)[..., None]
    lit = 0.035 + 0.5 * (np.clip(picture, 0, 255) / 255 * light) ** np.float32(1.2)
    grey = (lit @ np.array([0.2126, 0.7152, 0.0722], np.float32))[..., None]
    tint = np.array([0.98, 1.0, 0.92], np.float32)
    return np.asarray((grey + 0.55 * (lit - grey)) * (255 * tint), np.float32)


@functools.cache
def _person() -> Image:
    """The cut-out (512, 512, 4), its colours multiplied by its alpha of 0..1."""
    points = np.array([point.split(",") for point in OUTLINE.split()], np.float64)
    alpha = np.zeros((512, 512), np.float32)
    cv2.fillPoly(alpha, [np.round(points).astype(np.int32)], 1.0)
    # A pixel in from the outline, so that the soft edge holds no light backdrop.
    alpha = cv2.erode(alpha, np.ones((3, 3)), borderType=cv2.BORDER_REPLICATE)
    alpha = cv2.GaussianBlur(alpha, (0, 0), 1.3, borderType=cv2.BORDER_REPLICATE)[..., None]
    return np.concatenate([data.astronaut() * alpha, alpha], axis=-1).astype(np.float32)


@functools.cache
def _room(lobby: bool, scale: int) -> tuple[Image, Image]:
    """What stands behind and before the people: (440 * scale, 720 * scale, 4), as `_person`."""
    shape = ((HEIGHT + 2 * MARGIN) * MASTER, (WIDTH + 2 * MARGIN) * MASTER, 4)
    back, front = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    grain = np.pad(data.gravel(), (0, 512), "symmetric")
    grain = np.tile(cv2.GaussianBlur(grain.astype(np.float32), (0, 0), 2), (2, 3))
    grain = (grain[: shape[0], : shape[1], None] - grain.mean()) / 255
    if lobby:
        _draw_lobby(back, front)
    else:
        _draw_passage(back, front)
    for plate in (back, front):
        plate[..., :3] *= 1 + 0.25 * grain
    size = (shape[1] * scale // MASTER, shape[0] * scale // MASTER)
    way = cv2.INTER_AREA if scale <= MASTER else cv2.INTER_CUBIC
    return tuple(cv2.resize(plate, size, interpolation=way) for plate in (back, front))


def _draw_lobby(back: Image, front: Image) -> None:
    """A plastered wall with a door and a notice board; a counter before it, at the right."""
    _box(back, (-40, -40, 680, 400), (176, 170, 158))
    _box(back, (-40, 292, 680, 400), (112, 104, 96))
    _box(back, (-40, 284, 680, 292), (92, 84, 76))
    _box(back, (96, 34, 220, 292), (118, 108, 94))
    _box(back, (104, 42, 212, 292), (84, 92, 98))
    _box(back, (134, 62, 182, 146), (46, 52, 60))
    _box(back, (196, 182, 206, 190), (190, 186, 170))
    _box(back, (420, 60, 520, 130), (96, 78, 58))
    _box(back, (425, 65, 515, 125), (150, 128, 98))
    for x, y, shade in (
        (430, 70, 214),
        (456, 74, 196),
        (486, 70, 206),
        (434, 98, 190),
        (480, 97, 220),
    ):
        _box(back, (x, y, x + 21, y + 24), (shade, shade, shade - 10))
        for line in range(4, 20, 4):
            _box(back, (x + 3, y + line, x + 17, y + line + 1), (120, 120, 124))
    _box(front, (356, 226, 680, 400), (112, 88, 64))
    _box(front, (350, 216, 680, 226), (168, 146, 118))
    for x in range(420, 680, 64):
        _box(front, (x, 232, x + 1.5, 400), (76, 58, 42))


def _draw_passage(back: Image, front: Image) -> None:
    """A brick wall with a pipe and a vent; the plastered corner of a nearer wall at the left."""
    brick = np.rot90(data.brick())[:, 60:460].astype(np.float32)
    brick = cv2.resize(brick, back.shape[1::-1], interpolation=cv2.INTER_CUBIC)[..., None]
    back[..., :3] = (brick * 0.8 + 30) * np.array([1.05, 0.92, 0.84], np.float32)
    back[..., 3] = 1
    for x, shade in ((560, 92), (563, 150), (566, 128), (570, 84)):
        _box(back, (x, -40, x + 4, 400), (shade, shade, shade))
    _box(back, (236, 44, 312, 84), (70, 70, 68))
    for y in range(48, 82, 6):
        _box(back, (240, y, 308, y + 3), (132, 132, 128))
    _box(front, (-40, -40, 118, 400), (150, 146, 138))
    _box(front, (118, -40, 128, 400), (104, 100, 94))


def _box(
    plate: Image, corners: tuple[float, float, float, float], colour: tuple[int, int, int]
) -> None:
    """Fill x0 y0 x1 y1, in the room's pixels."""
    x0, y0, x1, y1 = (round((value + MARGIN) * MASTER) for value in corners)
    plate[y0:y1, x0:x1] = (*colour, 1)


def _warp(image: Image, matrix: Matrix, size: tuple[int, int]) -> Image:
    """`image` moved by a matrix between continuous pixels; what lies outside it is transparent."""
    shrink = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    if shrink < 0.99:
        # Sampling fewer pixels than there are would let fine detail flicker.
        blur = 0.45 * np.sqrt(1 / shrink**2 - 1)
        image = cv2.GaussianBlur(image, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)
    # OpenCV puts (0, 0) at the centre of the first pixel, half a pixel from where we do.
    centred = (_move(-0.5, -0.5) @ matrix @ _move(0.5, 0.5))[:2]
    warped: Image = cv2.warpAffine(image, centred, size, flags=cv2.INTER_CUBIC)
    # Cubic weights overshoot at edges, which colours above their alpha would show as a rim.
    warped[..., 3] = np.clip(warped[..., 3], 0, 1)
    return np.clip(warped, 0, 255 * warped[..., 3:], out=warped)


def _move(x: float, y: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _affine(shape: Matrix) -> Matrix:
    return np.block([[shape, np.zeros((2, 1))], [np.zeros((1, 2)), np.ones((1, 1))]])


def _rotation(radians: float) -> Matrix:
    return np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])


def _apply(matrix: Matrix, points: Matrix) -> Matrix:
    moved: Matrix = points @ matrix[:2, :2].T + matrix[:2, 2]
    return moved


def _burn_clock(picture: Image, index: int, scale: int) -> npt.NDArray[np.uint8]:
    """Round to bytes and write the time in, as a recorder does after the camera."""
    now = CLOCK_START + datetime.timedelta(seconds=index // FPS)
    strip = np.zeros((2, 28 * MASTER, 260 * MASTER), np.uint8)
    for layer, thickness in zip(strip, (14, 5), strict=True):
        text, place = f"CAM 03  {now:%Y-%m-%d %H:%M:%S}", (8 * MASTER, 20 * MASTER)
        cv2.putText(layer, text, place, cv2.FONT_HERSHEY_SIMPLEX, 1.75, 255, thickness, cv2.LINE_AA)
    size = (260 * scale, 28 * scale)
    way = cv2.INTER_AREA if scale <= MASTER else cv2.INTER_CUBIC
    outline, inside = (cv2.resize(s, size, interpolation=way)[..., None] / 255 for s in strip)
    corner = picture[: size[1], : size[0]]
    corner[...] = corner * (1 - outline) + 16 * outline
    corner[...] = corner * (1 - inside) + 225 * inside
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _captured_frame(index: int) -> npt.NDArray[np.uint8]:
    """The scene as the recorder gets it, with its clock."""
    noisy = _through_sensor(_scene(index, 1), np.random.default_rng((SEED, index)))
    return _burn_clock(noisy, index, 1)


def _through_sensor(scene: Image, random: np.random.Generator) -> Image:
    """The scene through a soft lens and a starved sensor."""
    scene = cv2.GaussianBlur(scene, (0, 0), 0.7)
    photons = random.poisson(scene * PHOTONS_PER_LEVEL) / PHOTONS_PER_LEVEL
    noisy = photons + random.normal(0, READ_NOISE, scene.shape)
    # Colour filter interpolation smears noise over its neighbours.
    smeared: Image = cv2.GaussianBlur(noisy.astype(np.float32), (0, 0), 0.55)
    return smeared


def corridor_frames(frames: int, walk: int, period: int) -> Iterator[npt.NDArray[np.uint8]]:
    """The passage before a camera that stands still: (360, 640, 3) RGB, with noise and clock.

    Somebody walks by in the last `walk` of every `period` frames; else it is empty. The noise of
    the empty passage is drawn from a store.
    """
    random = np.random.default_rng(SEED)
    store = [_through_sensor(_passage(None), random) for _ in range(48)]
    for index in range(frames):
        step = index % period - (period - walk)
        if step < 0:
            noisy = store[random.integers(len(store))].copy()
        else:
            noisy = _through_sensor(_passage(CUT + step), random)
        yield _burn_clock(noisy, index, 1)


def _passage(index: int | None) -> Image:
    """Like `_scene` of the second room, without sway; without people for None."""
    back, front = _room(False, 1)
    plate, size = _move(-MARGIN, -MARGIN), (WIDTH, HEIGHT)
    layers = [_warp(front, plate, size)]
    if index is not None:
        layers += [_warp(_person(), walk.to_room(index), size) for walk in PASSAGE.walks]
    picture = _warp(back, plate, size)[..., :3]
    for layer in layers:
        picture = layer[..., :3] + picture * (1 - layer[..., 3:])
    return _dim(picture, PASSAGE.lamp, 1)


def _sound() -> npt.NDArray[np.int16]:
    """Quiet mains hum, and a click of 8 ms that begins at each full second."""
    t = np.arange(FRAMES * RATE // FPS) / RATE
    since = t % 1
    click = np.sin(2 * np.pi * 1500 * t) * np.exp(-since / 0.002) * ((since < 0.008) & (t >= 1))
    return np.round(32767 * (0.004 * np.sin(2 * np.pi * 100 * t) + 0.6 * click)).astype(np.int16)


def write_clip(output: Path) -> None:
    """Encode the clip as H.264 and AAC in MP4, tagged BT.709, limited range."""
    with av.open(str(output), "w", options={"movflags": "+faststart"}) as container:
        container.metadata["title"] = "CCTV test clip: astronaut walk-by"
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        # One thread, so that the result does not depend on the machine's cores.
        video.options = {"crf": CRF, "preset": "medium", "g": "50", "threads": "1"}
        context = video.codec_context
        context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
        context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        audio = container.add_stream("aac", rate=RATE, layout="mono", bit_rate=48_000)
        sound = _sound()
        for index in range(FRAMES):
            rgb = av.VideoFrame.from_ndarray(_captured_frame(index), format="rgb24")
            frame = rgb.reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
            piece = slice(index * RATE // FPS, (index + 1) * RATE // FPS)
            samples = av.AudioFrame.from_ndarray(sound[None, piece], format="s16", layout="mono")
            samples.sample_rate, samples.pts = RATE, piece.start
            samples.time_base = Fraction(1, RATE)
            container.mux(audio.encode(samples))
        for stream in (video, audio):
            container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample clip.")
    sample = Path(__file__).resolve().parent.parent / "samples" / "cctv.mp4"
    parser.add_argument("--output", type=Path, default=sample, help="default: samples/cctv.mp4")
    write_clip(parser.parse_args().output)


if __name__ == "__main__":
    main()
