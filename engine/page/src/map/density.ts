/** The cube's sides are cut into so many cells. */
const CELLS = 44;
/** Of a thousand images, so many may lie denser than what counts as the densest: a heap of copies is not the scale. */
const ABOVE_DENSEST = 5;

// Sums every cell with its neighbors along all axes, weighted 1, 2, 1, so that cells leave no edges in the picture.
const blur = (grid: Float32Array): Float32Array => [1, CELLS, CELLS * CELLS].reduce((before, step) => {
  const after = new Float32Array(before.length);
  for (let at = 0; at < before.length; at++) {
    const along = Math.floor(at / step) % CELLS;
    after[at] = 2 * before[at] + (along > 0 ? before[at - step] : 0) + (along < CELLS - 1 ? before[at + step] : 0);
  }
  return after;
}, grid);

const cellOf = (value: number): number => Math.min(CELLS - 1, Math.max(0, Math.floor((value + 0.5) * CELLS)));

/**
 * How densely the images lie around each of them, from 0 for alone to 255 for the densest place, by a logarithm.
 *
 * @param positions (n, 3) in the cube of side 1 around the origin.
 * @param isCounted whether an image is on the map.
 */
export const densityAround = (positions: Float32Array, isCounted: (image: number) => boolean): Uint8Array => {
  const count = positions.length / 3;
  const cells = new Uint32Array(count);
  const grid = new Float32Array(CELLS ** 3);
  for (let image = 0; image < count; image++) {
    const at = 3 * image;
    cells[image] = cellOf(positions[at]) + CELLS * (cellOf(positions[at + 1]) + CELLS * cellOf(positions[at + 2]));
    if (isCounted(image)) grid[cells[image]] += 1;
  }
  const blurred = blur(grid);
  // An image alone makes 8 of its own cell.
  const around = Float32Array.from(cells, (cell) => Math.log2(Math.max(1, blurred[cell] / 8)));
  const densest = Float32Array.from(around).sort()[Math.floor(((1000 - ABOVE_DENSEST) / 1000) * count)] || 1;
  return Uint8Array.from(around, (value) => Math.min(255, Math.round((255 * value) / densest)));
};
