// A turntable camera that looks at the cube of side 1 around the origin, in which every map lies; z is up.
export type Vector = readonly [x: number, y: number, z: number];
export type Axis = "x" | "y" | "z";

export interface Camera {
  /** Where the eye stands around the z axis, in degrees; at 0 on the side of x. */
  readonly azimuth: number;
  /** How far the eye stands above the floor, in degrees from -90 to 90. */
  readonly elevation: number;
  /** From the eye to the center, in sides of the cube. */
  readonly distance: number;
  /** What the middle of the picture shows. */
  readonly center: Vector;
  /** Without perspective: what is far is as large as what is near. */
  readonly isFlat: boolean;
}

/** What the camera makes of a size of canvas. */
export interface Projection {
  /** 4 x 4, by columns, from a place in the cube to WebGL's clip coordinates. */
  readonly matrix: Float32Array;
  /** The first three along the line of sight, the fourth to add: how far a place is from the eye. */
  readonly depth: readonly [number, number, number, number];
  /** How far the center is from the eye. */
  readonly distance: number;
}

/** As `export --to stills` looks at a map: the eye at (0.98, 0.98, 0.54), the center at (0, 0, -0.03). */
export const DEFAULT_CAMERA: Camera = { azimuth: 45, elevation: 22.36, distance: 1.4985, center: [0, 0, -0.03], isFlat: false };

const [NEAREST, FARTHEST] = [0.05, 12];
/** Half of the cube's diagonal and some air: nothing that is drawn lies farther from the origin. */
const REACH = 1;
const TANGENT = Math.tan(Math.PI / 8);

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
const radians = (degrees: number): number => (degrees * Math.PI) / 180;
const along = (start: Vector, ...steps: readonly (readonly [number, Vector])[]): Vector => {
  const sum = (at: 0 | 1 | 2): number => steps.reduce((total, [length, way]) => total + length * way[at], start[at]);
  return [sum(0), sum(1), sum(2)];
};
const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

// By the angles and not by a cross product with z, so that the view from above has a right and an up too.
const directions = ({ azimuth, elevation }: Camera): { right: Vector; up: Vector; back: Vector } => {
  const [sinA, cosA] = [Math.sin(radians(azimuth)), Math.cos(radians(azimuth))];
  const [sinE, cosE] = [Math.sin(radians(elevation)), Math.cos(radians(elevation))];
  return { right: [-sinA, cosA, 0], up: [-sinE * cosA, -sinE * sinA, cosE], back: [cosE * cosA, cosE * sinA, sinE] };
};

/** A narrow canvas looks from farther away, so that it shows the same width; a link shows the same map on every screen. */
const fitted = (distance: number, width: number, height: number): number => distance * Math.max(1, (1.15 * height) / Math.max(width, 1));

export const project = (camera: Camera, width: number, height: number): Projection => {
  const distance = fitted(camera.distance, width, height);
  const { right, up, back } = directions(camera);
  const eye = along(camera.center, [distance, back]);
  const aspect = width / Math.max(height, 1);
  const half = TANGENT * distance;
  // The eye's distance from the origin along its own line of sight, around which all depths lie.
  const middle = dot(eye, back);
  const near = camera.isFlat ? middle - REACH : Math.max(0.01, middle - REACH);
  const far = Math.max(middle + REACH, near + 0.01);
  const [r, u, b] = [-dot(right, eye), -dot(up, eye), -dot(back, eye)];
  // The rows of the matrix: across, up, depth, and what these are divided by.
  const scale = camera.isFlat ? 1 / half : 1 / TANGENT;
  const rows = [
    [...right, r].map((value) => (value * scale) / aspect),
    [...up, u].map((value) => value * scale),
    camera.isFlat
      ? [...back, b].map((value, at) => (-2 * value) / (far - near) - (at === 3 ? (far + near) / (far - near) : 0))
      : [...back, b].map((value, at) => (-value * (far + near)) / (far - near) - (at === 3 ? (2 * far * near) / (far - near) : 0)),
    camera.isFlat ? [0, 0, 0, 1] : [...back, b].map((value) => -value),
  ];
  const matrix = new Float32Array(16);
  rows.forEach((row, at) => row.forEach((value, column) => { matrix[4 * column + at] = value; }));
  return { matrix, distance, depth: [-back[0], -back[1], -back[2], -b] };
};

/** The angles are in degrees. */
export const turn = (camera: Camera, azimuth: number, elevation: number): Camera => ({
  ...camera,
  azimuth: ((((camera.azimuth + azimuth + 180) % 360) + 360) % 360) - 180,
  elevation: clamp(camera.elevation + elevation, -90, 90),
});

/** Moves what is seen, by shares of the canvas's height: `right` and `down`, as a pointer moves. */
export const pan = (camera: Camera, right: number, down: number, width: number, height: number): Camera => {
  const seen = 2 * TANGENT * fitted(camera.distance, width, height);
  const ways = directions(camera);
  const center = along(camera.center, [-right * seen, ways.right], [down * seen, ways.up]);
  return { ...camera, center: [clamp(center[0], -REACH, REACH), clamp(center[1], -REACH, REACH), clamp(center[2], -REACH, REACH)] };
};

/** Comes nearer by a factor over 1, and goes away by one under 1. */
export const zoom = (camera: Camera, factor: number): Camera => ({ ...camera, distance: clamp(camera.distance / factor, NEAREST, FARTHEST) });

/** Flat, from the side of an axis: along x, y points to the right; along y, x does; along z, from above, x does too. */
export const lookAlong = (axis: Axis): Camera => ({
  azimuth: axis === "x" ? 0 : -90, elevation: axis === "z" ? 90 : 0, distance: DEFAULT_CAMERA.distance, center: [0, 0, 0], isFlat: true,
});

/** A short text for a link, which `cameraFromText` reads; empty for the camera that the page begins with. */
export const cameraToText = (camera: Camera): string => {
  const text = (own: Camera): string => {
    const numbers = [own.azimuth.toFixed(1), own.elevation.toFixed(1), ...[own.distance, ...own.center].map((value) => value.toFixed(3))];
    return [...numbers.map((number) => String(Number(number))), ...(own.isFlat ? ["flat"] : [])].join("_");
  };
  const own = text(camera);
  return own === text(DEFAULT_CAMERA) ? "" : own;
};

/** A text that is not a camera's gives the camera that the page begins with. */
export const cameraFromText = (text: string): Camera => {
  const parts = text.split("_");
  const [azimuth, elevation, distance, x, y, z] = parts.map(Number);
  const isFlat = parts[6] === "flat";
  if (parts.length !== (isFlat ? 7 : 6) || ![azimuth, elevation, distance, x, y, z].every(Number.isFinite)) return DEFAULT_CAMERA;
  const still = { azimuth: 0, elevation: 0, distance: clamp(distance, NEAREST, FARTHEST), isFlat };
  return turn({ ...still, center: [clamp(x, -REACH, REACH), clamp(y, -REACH, REACH), clamp(z, -REACH, REACH)] }, azimuth, elevation);
};
