/** As fine as a cube's depth is told apart: far below what anybody sees. */
const STEPS = 8192;

/**
 * Sorts images by how far they are from the eye, the farthest first; those at the same depth keep their order.
 *
 * Every picture needs this, so it counts instead of comparing.
 *
 * @param positions (n, 3) of all images.
 * @param depth three along the line of sight, a fourth to add.
 */
export const backToFront = (
  images: Uint32Array, positions: Float32Array, depth: readonly [number, number, number, number],
): Uint32Array<ArrayBuffer> => {
  const [x, y, z] = depth;
  const away = new Float32Array(images.length);
  let [low, high] = [Infinity, -Infinity];
  for (let turn = 0; turn < images.length; turn++) {
    const at = 3 * images[turn];
    const own = x * positions[at] + y * positions[at + 1] + z * positions[at + 2];
    away[turn] = own;
    if (own < low) low = own;
    if (own > high) high = own;
  }
  const scale = (STEPS - 1) / Math.max(high - low, 1e-9);
  const begins = new Uint32Array(STEPS + 1);
  const steps = new Uint16Array(images.length);
  for (let turn = 0; turn < images.length; turn++) {
    steps[turn] = (high - away[turn]) * scale;
    begins[steps[turn] + 1] += 1;
  }
  for (let step = 1; step < STEPS; step++) begins[step] += begins[step - 1];
  const sorted = new Uint32Array(images.length);
  for (let turn = 0; turn < images.length; turn++) sorted[begins[steps[turn]]++] = images[turn];
  return sorted;
};
