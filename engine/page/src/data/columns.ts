// The values of a column of the user's or of the files, loaded when it is first wanted.
import { facts } from "./facts.ts";
import { decodeArray, loadData } from "./load.ts";

/** Code of an image without a text. */
export const MISSING = 65535;
/** Code of a text that is too rare to have a code of its own. */
export const OTHER = 65534;

/** Numbers, NaN where missing, which for dates are seconds; or codes of texts. */
export type ColumnValues = Float32Array | Float64Array | Uint16Array;

const loaded = new Map<number, Promise<ColumnValues>>();

export const loadColumn = (column: number): Promise<ColumnValues> => {
  let promise = loaded.get(column);
  if (!promise) {
    const { kind, unit } = facts.columns[column];
    promise = loadData<string>(`column-${column}`).then((text) => {
      if (kind === "text") return decodeArray(text, Uint16Array);
      return unit === "date" ? decodeArray(text, Float64Array) : decodeArray(text, Float32Array);
    });
    promise.catch(() => loaded.delete(column));
    loaded.set(column, promise);
  }
  return promise;
};
