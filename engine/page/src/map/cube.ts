// The cube of side 1 around the origin, in which every map lies, and the grid on its faces.

const GRID_STEPS = 6;

/** Moves and scales positions into the cube of side 1 around the origin, with a little air. */
export const intoCube = (points: Float32Array): Float32Array<ArrayBuffer> => {
  const [low, high] = [[Infinity, Infinity, Infinity], [-Infinity, -Infinity, -Infinity]];
  for (let at = 0; at < points.length; at++) {
    low[at % 3] = Math.min(low[at % 3], points[at]);
    high[at % 3] = Math.max(high[at % 3], points[at]);
  }
  const side = 1.06 * Math.max(...high.map((value, axis) => value - low[axis]), 1e-6);
  return Float32Array.from(points, (value, at) => (value - (low[at % 3] + high[at % 3]) / 2) / side);
};

/** Lines of all six faces of the cube, a face after the other: along each axis the lower one, then the upper one. */
export const gridLines = (): { start: number[]; end: number[]; corner: number[] } => {
  const lines = { start: [] as number[], end: [] as number[], corner: [] as number[] };
  const add = (start: number[], end: number[]): void => {
    for (const corner of [[0, -1], [1, -1], [1, 1], [0, -1], [1, 1], [0, 1]]) {
      lines.start.push(...start);
      lines.end.push(...end);
      lines.corner.push(...corner);
    }
  };
  for (const axis of [0, 1, 2]) {
    for (const side of [-0.5, 0.5]) {
      const [a, b] = [(axis + 1) % 3, (axis + 2) % 3];
      const at = (first: number, second: number): number[] => {
        const place = [side, side, side];
        [place[a], place[b]] = [first, second];
        return place;
      };
      for (let step = 0; step <= GRID_STEPS; step++) {
        const along = step / GRID_STEPS - 0.5;
        add(at(along, -0.5), at(along, 0.5));
        add(at(-0.5, along), at(0.5, along));
      }
    }
  }
  return lines;
};

/** How many vertices of `gridLines` each face has. */
export const VERTICES_OF_FACE = 2 * (GRID_STEPS + 1) * 6;
