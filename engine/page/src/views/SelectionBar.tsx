// What is selected, how much of it each dataset has, and what to do with it.
import type { JSX } from "preact";
import { facts } from "../data/facts.ts";
import { formatCount, formatImages } from "../format.ts";
import { saveList, saveTable } from "../saved.ts";
import { passing } from "../state/filters.ts";
import { moreLike } from "../state/like.ts";
import { countByDataset } from "../state/standing.ts";
import { clearSelection, selection } from "../state/state.ts";
import { Tag } from "./Picture.tsx";

interface SelectionBarProps {
  /** It stands under the map and at the head of the grid. */
  place?: "map" | "grid";
}

export const SelectionBar = ({ place = "map" }: SelectionBarProps): JSX.Element | null => {
  const { images: chosen, label } = selection.value;
  const id = (name: string): string => (place === "map" ? name : `grid-${name}`);
  // Under the map it keeps its place, so that the map stays as large as it is.
  if (!chosen.size && place === "grid") return null;
  const some = [...chosen];
  const hidden = some.filter((image) => !passing.value[image]).length;
  const clear = (): void => {
    clearSelection();
    document.querySelector<HTMLElement>(place === "map" ? "#select-area" : "#scopes input")?.focus();
  };
  return (
    <div id={id("selection")} class="selection" role="group" aria-label="Selected images">
      <span id={id("selected")} class="selected" title={label} role={place === "map" ? "status" : undefined}>
        {chosen.size ? null : <span class="quiet">Nothing is selected. Draw around points, search, or tick pictures.</span>}
        {chosen.size ? <strong>{formatImages(chosen.size)} selected</strong> : null}
        {hidden ? <span class="quiet">{formatCount(hidden)} left out by the filters</span> : null}
        {chosen.size ? <span class="selection-label quiet"><bdi>{label}</bdi></span> : null}
        {countByDataset(some).map((count, dataset) => (count
          ? <span key={dataset} class="selection-count"><Tag dataset={dataset} /> {formatCount(count)}</span> : null))}
      </span>
      {chosen.size
        ? (
          <span class="buttons">
            {facts.like ? <button type="button" id={id("more-like")} class="plain" onClick={() => moreLike(some, label)}>More like these</button> : null}
            <button type="button" id={id("save-list")} class="plain" title="A text file with one name a line" onClick={() => saveList(some, "selection")}>Save list</button>
            <button type="button" id={id("save-selection")} class="plain" title="A table with ranks, scores and columns" onClick={() => saveTable(some, "selection")}>Save CSV</button>
            <button type="button" id={id("clear-selection")} class="plain" onClick={clear}>Clear</button>
          </span>)
        : null}
    </div>);
};
