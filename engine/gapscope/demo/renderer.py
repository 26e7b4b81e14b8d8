"""A small software renderer: a textured floor with balls on it, seen by a pinhole camera and lit by one lamp."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gapscope.demo.photographs import SIDE, Picture, resize

Vectors = NDArray[np.float32]

_HALF_VIEW = float(np.tan(np.radians(20)))
"""Tangent of half the camera's angle of view."""

_AMBIENT = 0.55
_MAGENTA, _BLACK = (1.0, 0.0, 1.0), (0.02, 0.02, 0.02)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """The camera's pose, and the effects of its lens and sensor.

    Attributes:
        target: point of the floor at the center of the picture, in texels (x, y).
        footprint: width of the floor that is visible at the center of the picture, in texels.
        tilt: angle to the vertical, in degrees; 0 looks straight down.
        heading: rotation around the vertical, in degrees.
        exposure: change of the exposure, in stops.
        haze: share of a surface's color that is lost to haze at the center of the picture.
        blur: standard deviation of the lens blur, in pixels.
        detail: texels that are kept per pixel; fewer give a softer picture.
        noise: standard deviation of the sensor's noise, for colors from 0 to 1.
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
    """A ball on the floor whose material is missing, so that it is rendered as a checkerboard.

    Attributes:
        position: point where it touches the floor, in texels (x, y).
        radius: in texels.
    """

    position: tuple[float, float]
    radius: float


def render(
    floor: Picture,
    relief: float,
    lamp: tuple[float, float],
    camera: Camera,
    random: np.random.Generator,
    balls: tuple[Ball, ...] = (),
) -> Picture:
    """Render one picture.

    Args:
        floor: texture of the floor, (height, width, 3), 0 to 1; repeated by mirroring.
        relief: height of the bumps that the lamp shades, relative to the texture's brightness; 0 for a flat floor.
        lamp: azimuth and elevation above the floor, in degrees.
        camera: pose, lens and sensor.
        random: draws the sensor's noise.
        balls: the balls on the floor.

    Returns:
        (SIDE, SIDE, 3) float32, 0 to 1.
    """
    light = _direction(*lamp)
    eye, rays = _rays(camera)
    depth = eye[2] / -rays[..., 2]
    ground = eye + depth[..., None] * rays
    picture = _sample(_shade(floor, relief, light), ground, camera.detail * SIDE / camera.footprint)
    picture *= 1 - 0.6 * _shadow(ground, light, balls)[..., None]
    for ball in balls:
        distance, hit = _intersect(eye, rays, ball)
        nearer = hit & (distance < depth)
        depth = np.where(nearer, distance, depth)
        picture[nearer] = _checkerboard(eye + distance[nearer][:, None] * rays[nearer], ball, light)
    return _expose(picture, depth / depth[SIDE // 2, SIDE // 2], camera, random)


def _direction(azimuth: float, elevation: float) -> Vectors:
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], dtype=np.float32)


def _rays(camera: Camera) -> tuple[Vectors, Vectors]:
    """Return the camera's position (3,) and one ray direction per pixel (SIDE, SIDE, 3)."""
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


def _shade(floor: Picture, relief: float, light: Vectors) -> Picture:
    """Shade the floor as if the texture's brightness were its height."""
    if not relief:
        return floor
    height = ndimage.gaussian_filter(floor.mean(axis=2), 1.0) * relief
    down, across = np.gradient(height)
    facing = (light[2] - across * light[0] - down * light[1]) / np.sqrt(1 + across**2 + down**2)
    shade = (_AMBIENT + (1 - _AMBIENT) * np.clip(facing, 0, None)) / (_AMBIENT + (1 - _AMBIENT) * light[2])
    return np.asarray(np.clip(floor * shade[..., None], 0, 1), dtype=np.float32)


def _sample(texture: Picture, points: Vectors, detail: float) -> Picture:
    """Return the texture's colors at points of the floor; only the part that is needed is resized, by `detail`."""
    (left, top), (right, bottom) = (np.floor(points[..., :2].min((0, 1))) - 2, np.ceil(points[..., :2].max((0, 1))) + 3)
    rows, columns = _mirrored(top, bottom, texture.shape[0]), _mirrored(left, right, texture.shape[1])
    width, height = max(2, round(len(columns) * detail)), max(2, round(len(rows) * detail))
    part = resize(texture[np.ix_(rows, columns)], (width, height))
    coordinates = np.stack(
        [
            (points[..., 1] - top + 0.5) * (height / len(rows)) - 0.5,
            (points[..., 0] - left + 0.5) * (width / len(columns)) - 0.5,
        ]
    )
    channels = [ndimage.map_coordinates(part[..., c], coordinates, order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _mirrored(start: float, stop: float, length: int) -> NDArray[np.int64]:
    """Return the row or column of the texture for each index of a range that reflects at the texture's edges."""
    period = 2 * (length - 1)
    indices = np.arange(int(start), int(stop)) % period
    return np.minimum(indices, period - indices)


def _intersect(origin: Vectors, rays: Vectors, ball: Ball) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return, per ray, the distance to its first intersection with the ball, and whether there is one."""
    offset = origin - np.array([*ball.position, ball.radius], dtype=np.float32)
    a, b = (rays**2).sum(axis=-1), (rays * offset).sum(axis=-1)
    discriminant = b**2 - a * ((offset**2).sum(axis=-1) - ball.radius**2)
    distance = (-b - np.sqrt(np.clip(discriminant, 0, None))) / a
    return distance.astype(np.float32), (discriminant > 0) & (distance > 0)


def _shadow(ground: Vectors, light: Vectors, balls: tuple[Ball, ...]) -> NDArray[np.float32]:
    shadow = np.zeros(ground.shape[:2], dtype=np.float32)
    for ball in balls:
        _, blocked = _intersect(ground, np.broadcast_to(light, ground.shape), ball)
        shadow = np.maximum(shadow, blocked)
    return np.asarray(ndimage.gaussian_filter(shadow, 2.0), dtype=np.float32)


def _checkerboard(points: Vectors, ball: Ball, light: Vectors) -> Picture:
    """Return the colors (count, 3) of points on a ball whose material is missing."""
    normal = (points - np.array([*ball.position, ball.radius], dtype=np.float32)) / ball.radius
    squares = np.floor(np.arctan2(normal[:, 1], normal[:, 0]) / np.pi * 6) + np.floor(
        np.arccos(np.clip(normal[:, 2], -1, 1)) / np.pi * 6
    )
    color = np.where(squares[:, None] % 2 == 0, _MAGENTA, _BLACK)
    shade = _AMBIENT + (1 - _AMBIENT) * np.clip(normal @ light, 0, None)
    return np.asarray(color * shade[:, None], dtype=np.float32)


def _expose(picture: Picture, distance: NDArray[np.float32], camera: Camera, random: np.random.Generator) -> Picture:
    """Apply haze, exposure, lens blur and sensor noise; `distance` is 1 at the center of the picture."""
    transmission = (1 - camera.haze) ** distance[..., None]
    hazy = transmission * picture + (1 - transmission) * np.float32(0.7)
    sharp = hazy * np.float32(2**camera.exposure)
    blurred = ndimage.gaussian_filter(sharp, (camera.blur, camera.blur, 0)) if camera.blur else sharp
    noisy = blurred + np.sqrt(blurred) * random.normal(0, camera.noise, (SIDE, SIDE, 1))
    return np.clip(noisy, 0, 1).astype(np.float32)
