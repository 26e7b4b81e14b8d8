"""A small software renderer: a textured floor and balls on it, seen by a pinhole camera under one lamp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gapscope.demo.photographs import SIDE, Picture, resize

Vectors = NDArray[np.float32]

_HALF_VIEW = float(np.tan(np.radians(20)))
_AMBIENT = 0.55
_MAGENTA, _BLACK = (1.0, 0.0, 1.0), (0.02, 0.02, 0.02)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Where the camera stands and what it does to a picture.

    Attributes:
        target: point of the floor in the middle of the picture, in texels (x, y).
        footprint: width of the floor that the middle of the picture shows, in texels.
        tilt: degrees away from looking straight down.
        heading: degrees by which the camera is turned around the vertical.
        exposure: change in stops.
        haze: share of a surface's colour that is lost to haze in the middle of the picture.
        blur: spread of the lens, in pixels.
        detail: texels that are kept per pixel; the lower, the softer.
        noise: standard deviation of the sensor's noise, colours from 0 to 1.
    """

    target: tuple[float, float]
    footprint: float
    tilt: float
    heading: float
    exposure: float = 0.0
    haze: float = 0.0
    blur: float = 0.0
    detail: float = 1.5
    noise: float = 0.0


@dataclass(frozen=True)
class Ball:
    """A ball that lies on the floor, without the material it should have: a checkerboard.

    Attributes:
        place: where it touches the floor, in texels (x, y).
        radius: in texels.
    """

    place: tuple[float, float]
    radius: float


def render(
    floor: Picture,
    relief: float,
    lamp: tuple[float, float],
    camera: Camera,
    random: np.random.Generator,
    balls: tuple[Ball, ...] = (),
) -> Picture:
    """Draw one picture.

    Args:
        floor: texture of the floor, (height, width, 3), colours from 0 to 1; repeats by mirroring.
        relief: how much the lamp brings out the texture as bumps; 0 for a flat floor.
        lamp: degrees of its azimuth and of its height above the floor.
        camera: how the picture is taken.
        random: the sensor's noise.
        balls: what lies on the floor.

    Returns:
        (SIDE, SIDE, 3), colours from 0 to 1.
    """
    light = _direction(*lamp)
    eye, rays = _rays(camera)
    far = eye[2] / -rays[..., 2]
    ground = eye + far[..., None] * rays
    picture = _sample(_lit(floor, relief, light), ground, camera.detail * SIDE / camera.footprint)
    picture *= 1 - 0.6 * _shadow(ground, light, balls)[..., None]
    for ball in balls:
        distance, seen = _meet(eye, rays, ball)
        nearer = seen & (distance < far)
        far = np.where(nearer, distance, far)
        picture[nearer] = _checkerboard(eye + distance[nearer][:, None] * rays[nearer], ball, light)
    return _exposed(picture, far / far[SIDE // 2, SIDE // 2], camera, random)


def _direction(azimuth: float, height: float) -> Vectors:
    a, h = np.radians(azimuth), np.radians(height)
    return np.array([np.cos(h) * np.cos(a), np.cos(h) * np.sin(a), np.sin(h)], dtype=np.float32)


def _rays(camera: Camera) -> tuple[Vectors, Vectors]:
    """Return the camera's place (3,) and one direction per pixel (SIDE, SIDE, 3)."""
    tilt, heading = np.radians(camera.tilt), np.radians(camera.heading)
    ahead = np.array([np.sin(heading), -np.cos(heading), 0.0])
    right = np.array([np.cos(heading), np.sin(heading), 0.0])
    forward = np.sin(tilt) * ahead - np.array([0.0, 0.0, np.cos(tilt)])
    down = -np.cos(tilt) * ahead - np.array([0.0, 0.0, np.sin(tilt)])
    eye = np.array([*camera.target, 0.0]) - camera.footprint / 2 / _HALF_VIEW * forward
    steps = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    across, along = np.meshgrid(steps * _HALF_VIEW, steps * _HALF_VIEW)
    rays = forward + across[..., None] * right + along[..., None] * down
    return eye.astype(np.float32), rays.astype(np.float32)


def _lit(floor: Picture, relief: float, light: Vectors) -> Picture:
    """Shade the texture's bumps, whose height is its brightness."""
    if not relief:
        return floor
    height = ndimage.gaussian_filter(floor.mean(axis=2), 1.0) * relief
    down, across = np.gradient(height)
    facing = (light[2] - across * light[0] - down * light[1]) / np.sqrt(1 + across**2 + down**2)
    shade = (_AMBIENT + (1 - _AMBIENT) * np.clip(facing, 0, None)) / (_AMBIENT + (1 - _AMBIENT) * light[2])
    return np.asarray(np.clip(floor * shade[..., None], 0, 1), dtype=np.float32)


def _sample(texture: Picture, points: Vectors, detail: float) -> Picture:
    """Look up colours at points of the floor, in the part of the texture they need, at `detail` times its own size."""
    (left, top), (right, bottom) = (np.floor(points[..., :2].min((0, 1))) - 2, np.ceil(points[..., :2].max((0, 1))) + 3)
    rows, columns = _mirrored(top, bottom, texture.shape[0]), _mirrored(left, right, texture.shape[1])
    width, height = max(2, round(len(columns) * detail)), max(2, round(len(rows) * detail))
    part = resize(texture[np.ix_(rows, columns)], (width, height))
    places = np.stack(
        [
            (points[..., 1] - top + 0.5) * (height / len(rows)) - 0.5,
            (points[..., 0] - left + 0.5) * (width / len(columns)) - 0.5,
        ]
    )
    channels = [ndimage.map_coordinates(part[..., c], places, order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _mirrored(start: float, stop: float, length: int) -> NDArray[np.int64]:
    """Return which row or column stands at each place of a range, where the texture repeats by mirroring."""
    period = 2 * (length - 1)
    places = np.arange(int(start), int(stop)) % period
    return np.minimum(places, period - places)


def _meet(origin: Vectors, rays: Vectors, ball: Ball) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return how far along each ray the ball is met first, and whether it is met at all."""
    offset = origin - np.array([*ball.place, ball.radius], dtype=np.float32)
    a, b = (rays**2).sum(axis=-1), (rays * offset).sum(axis=-1)
    root = b**2 - a * ((offset**2).sum(axis=-1) - ball.radius**2)
    distance = (-b - np.sqrt(np.clip(root, 0, None))) / a
    return distance.astype(np.float32), (root > 0) & (distance > 0)


def _shadow(ground: Vectors, light: Vectors, balls: tuple[Ball, ...]) -> NDArray[np.float32]:
    dark = np.zeros(ground.shape[:2], dtype=np.float32)
    for ball in balls:
        _, hidden = _meet(ground, np.broadcast_to(light, ground.shape), ball)
        dark = np.maximum(dark, hidden)
    return np.asarray(ndimage.gaussian_filter(dark, 2.0), dtype=np.float32)


def _checkerboard(points: Vectors, ball: Ball, light: Vectors) -> Picture:
    """Return the colours (count, 3) of points on a ball that lacks its material."""
    normal = (points - np.array([*ball.place, ball.radius], dtype=np.float32)) / ball.radius
    squares = np.floor(np.arctan2(normal[:, 1], normal[:, 0]) / np.pi * 6) + np.floor(
        np.arccos(np.clip(normal[:, 2], -1, 1)) / np.pi * 6
    )
    colour = np.where(squares[:, None] % 2 == 0, _MAGENTA, _BLACK)
    shade = _AMBIENT + (1 - _AMBIENT) * np.clip(normal @ light, 0, None)
    return np.asarray(colour * shade[:, None], dtype=np.float32)


def _exposed(picture: Picture, distance: NDArray[np.float32], camera: Camera, random: np.random.Generator) -> Picture:
    kept = (1 - camera.haze) ** distance[..., None]
    hazy = kept * picture + (1 - kept) * np.float32(0.7)
    sharp = hazy * np.float32(2**camera.exposure)
    blurred = ndimage.gaussian_filter(sharp, (camera.blur, camera.blur, 0)) if camera.blur else sharp
    noisy = blurred + np.sqrt(blurred) * random.normal(0, camera.noise, (SIDE, SIDE, 1))
    return np.clip(noisy, 0, 1).astype(np.float32)
