// A region that is drawn on the map: a lasso or a box.

/** In pixels of the canvas. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Whether a polygon's line encloses a place; a line that crosses itself encloses both of its loops. */
export const isInside = (polygon: readonly Place[], x: number, y: number): boolean => {
  let turns = 0;
  let before = polygon.at(-1);
  for (const corner of polygon) {
    if (before && before.y <= y !== corner.y <= y) {
      const side = (corner.x - before.x) * (y - before.y) - (x - before.x) * (corner.y - before.y);
      if (before.y <= y && side > 0) turns += 1;
      else if (before.y > y && side < 0) turns -= 1;
    }
    before = corner;
  }
  return turns !== 0;
};

/** The corners of a box between two places. */
export const boxBetween = (a: Place, b: Place): Place[] => [a, { x: b.x, y: a.y }, b, { x: a.x, y: b.y }];
