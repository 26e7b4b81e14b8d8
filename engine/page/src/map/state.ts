/** What is true of an image on the map; a byte for each image holds the sum of what is. */
export const STATE = {
  /** It passes the filters. What does not is not on the map. */
  drawn: 1,
  /** Others are selected. */
  dimmed: 2,
  outlier: 4,
  selected: 8,
  /** A neighbor of the pinned image. */
  neighbor: 16,
  pinned: 32,
} as const;

/** What makes an image drawn above the others, with a ring. */
export const MARKED = STATE.outlier | STATE.selected | STATE.neighbor | STATE.pinned;
