// The name of a column's value, which selects the images that have it.
import type { JSX } from "preact";
import type { ColumnValue, LookedAt } from "../../data/causes.ts";
import { columnNumber, facts } from "../../data/facts.ts";
import { formatCount, shorten } from "../../format.ts";
import { holdsValue, selectValue } from "../../state/causes.ts";

interface ValueNameProps {
  column: LookedAt<ColumnValue>;
  value: ColumnValue;
  /** The dataset whose column it is. */
  dataset: number;
}

export const ValueName = ({ column, value, dataset }: ValueNameProps): JSX.Element => {
  const isLast = column.values.at(-1) === value;
  const number = column.on === null ? -1 : columnNumber(column.on);
  const canSelect = number >= 0 && holdsValue(facts.columns[number], value, isLast) !== null;
  const text = <bdi class="class-text">{value.label.trim() || "(empty)"}</bdi>;
  if (!canSelect) return <span class="value-name">{text}</span>;
  return (
    <button
      type="button" class="value-name link" title={`Select its images: ${shorten(value.label, 300)}, ${formatCount(value.images)} in all`}
      onClick={(event) => selectValue(column.on!, dataset, value, isLast, event.shiftKey)}
    >{text}</button>);
};
