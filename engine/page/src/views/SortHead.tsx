// The head of a table's column, which sorts the table.
import type { JSX } from "preact";
import { Word } from "./Word.tsx";

export interface Sort {
  /** The column's key. */
  by: string;
  isDescending: boolean;
}

/** Numbers in a sort's order; what is not known comes last either way. */
export const compareIn = (sort: Sort, a: number | null, b: number | null): number => {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return sort.isDescending ? b - a : a - b;
};

interface SortHeadProps {
  by: string;
  label: string;
  /** Id of the word that the label is. */
  word: string;
  sort: Sort;
  onSort: (sort: Sort) => void;
  /** Whether the first click puts the largest first. */
  isNumber?: boolean;
}

/** A column's head: its label says what it means, a click beside it sorts by the column. */
export const SortHead = ({ by, label, word, sort, onSort, isNumber = false }: SortHeadProps): JSX.Element => {
  const isOwn = sort.by === by;
  const order = sort.isDescending ? "descending" : "ascending";
  const sortByThis = (): void => onSort({ by, isDescending: isOwn ? !sort.isDescending : isNumber });
  return (
    <th
      scope="col" role="columnheader" class={isNumber ? "value sortable" : "sortable"} aria-sort={isOwn ? order : "none"} data-column={by}
      onClick={({ target }) => {
        if (!(target as Element).closest("button")) sortByThis();
      }}
    >
      <span class="sort-head">
        <span><Word id={word}>{label}</Word></span>
        <button type="button" class="sort" aria-label={`Sort by ${label}`} onClick={sortByThis}>
          <svg viewBox="0 0 8 12" width="8" height="12" aria-hidden="true">
            <path d="M4 0.5 7.5 5h-7z" class={isOwn && !sort.isDescending ? "on" : undefined} />
            <path d="M4 11.5 0.5 7h7z" class={isOwn && sort.isDescending ? "on" : undefined} />
          </svg>
        </button>
      </span>
    </th>);
};
