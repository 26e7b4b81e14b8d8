import { MARKED, STATE } from "./state.ts";

/** Red, green and blue from 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
const mix = (from: number, to: number, share: number): number => from + (to - from) * share;

export const rgbOf = (hex: string): Rgb => {
  const value = Number.parseInt(hex.trim().slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
};

/**
 * The colors in which images are drawn, (n, 4): their own where an average number lies, light and clear where few do, and
 * deep where many do; grey where others are selected.
 *
 * @param color (n, 4), the images' own.
 * @param state (n,) sums of `STATE`.
 * @param density (n,) from 0 to 255.
 * @param drawn how many images are drawn; where these are few, one sees each of them and needs no tones.
 */
export const toned = (color: Uint8Array, state: Uint8Array, density: Uint8Array, drawn: number, ground: Rgb): Uint8Array => {
  const magnitude = Math.log10(Math.max(drawn, 1));
  const strength = clamp(magnitude - 2.7, 0, 1);
  const opacity = clamp(1.08 - 0.06 * magnitude, 0.78, 0.95);
  const deepest = ground[0] + ground[1] + ground[2] < 380 ? 255 : 0;
  const tones = new Uint8Array(color.length);
  for (let image = 0; image < state.length; image++) {
    const at = 4 * image;
    const isDimmed = (state[image] & STATE.dimmed) !== 0;
    const isMarked = (state[image] & MARKED) !== 0;
    const thickness = density[image] / 255;
    // The points of a cluster's rim let its core be seen.
    const covers = isDimmed ? 0.14 : isMarked ? 1 : opacity * (1 - 0.5 * strength * (1 - thickness));
    const grey = 0.3 * color[at] + 0.6 * color[at + 1] + 0.1 * color[at + 2];
    for (let channel = 0; channel < 3; channel++) {
      const own = color[at + channel];
      let shown = own;
      if (isDimmed) shown = mix(own, grey, 0.7);
      else if (!isMarked && thickness < 0.5) shown = mix(own, ground[channel], 0.25 * strength * (1 - 2 * thickness));
      else if (!isMarked) shown = mix(own, deepest, 0.45 * strength * (2 * thickness - 1));
      tones[at + channel] = Math.round(shown);
    }
    tones[at + 3] = Math.round(color[at + 3] * covers);
  }
  return tones;
};
