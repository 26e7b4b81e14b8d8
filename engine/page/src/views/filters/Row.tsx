// A value of a filter: a box that filters by it, and bars that select its images.
import type { ComponentChildren, JSX } from "preact";
import { datasetName, facts } from "../../data/facts.ts";
import { formatCount, formatPercent, shorten } from "../../format.ts";
import { selection } from "../../state/state.ts";
import type { Counts } from "./counts.ts";

/** How many images of each dataset, in words. */
export const countsText = ({ shown, totals }: Counts, place: number): string => (
  facts.datasets.map((_, dataset) => {
    const count = shown[dataset][place];
    return `${shorten(datasetName(dataset))} ${formatCount(count)}${totals[dataset] ? ` (${formatPercent(count / totals[dataset])})` : ""}`;
  }).join(", "));

interface RowProps {
  /** The value, without markup, for the names of the controls. */
  text: string;
  children?: ComponentChildren;
  counts: Counts;
  place: number;
  /** The share of a dataset that a full bar stands for. */
  full: number;
  isChecked: boolean;
  /** Whether the images are filtered out. */
  isOut: boolean;
  onCheck: (isChecked: boolean) => void;
  onSelect: (event: MouseEvent) => void;
}

/** Bars are shares within the dataset, so that datasets of different size compare. */
export const Row = ({ text, children, counts, place, full, isChecked, isOut, onCheck, onSelect }: RowProps): JSX.Element => {
  const label = shorten(text);
  const isAnySelected = selection.value.images.size > 0;
  const sum = counts.shown.reduce((before, own) => before + own[place], 0);
  return (
    <li class={isOut ? "filter-row out" : "filter-row"}>
      <input type="checkbox" checked={isChecked} aria-label={`Filter by ${label}`} onChange={(event) => onCheck(event.currentTarget.checked)} />
      <button
        type="button" class="filter-value" disabled={isOut || sum === 0} onClick={onSelect}
        title={`${shorten(text, 300)}: ${countsText(counts, place)}`}
      >
        <span class="visually-hidden">Select </span>
        <bdi class="filter-text">{children ?? shorten(text, 200)}</bdi>
        <span class="visually-hidden">: {countsText(counts, place)}</span>
        <span class="filter-counts" aria-hidden="true">
          {facts.datasets.map((_, dataset) => <span key={dataset}>{formatCount(counts.shown[dataset][place])}</span>)}
        </span>
        <span class="filter-bars" aria-hidden="true">
          {facts.datasets.map((_, dataset) => {
            const share = (count: number): string => `${(100 * count) / Math.max(1, counts.totals[dataset]) / (full || 1)}%`;
            return (
              <span key={dataset} class={isAnySelected ? "filter-bar pale" : "filter-bar"} style={{ "--color": `var(--dataset-${dataset})` }}>
                <span style={{ width: share(counts.shown[dataset][place]) }} />
                {isAnySelected && <span class="picked" style={{ width: share(counts.selected[dataset][place]) }} />}
              </span>);
          })}
        </span>
      </button>
    </li>);
};

interface RowsProps {
  children: ComponentChildren;
}

/** Rows under the marks of the datasets, whose counts stand below them. */
export const Rows = ({ children }: RowsProps): JSX.Element => <ul class="filter-rows">{children}</ul>;
