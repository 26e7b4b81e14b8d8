// The filters: what is set, always; and a card for each filter.
import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { facts } from "../data/facts.ts";
import type { ColumnHead } from "../data/facts.ts";
import { images } from "../data/images.ts";
import { counted, formatCount } from "../format.ts";
import { filterText } from "../state/filterText.ts";
import { NO_FILTERS, clearFilter, filtersSet, passing, passingCount, setFilters } from "../state/filters.ts";
import { reading } from "../state/state.ts";
import { DatasetsCard, KindsCard, LevelsCard, StandingCard } from "./filters/cards.tsx";
import { NumberCard } from "./filters/NumberCard.tsx";
import { TextCard } from "./filters/TextCard.tsx";
import { Tag } from "./Picture.tsx";

/** More columns than these are shown when they are asked for. */
const COLUMNS_SHOWN = 8;

const isOpen = signal(false);
const isWhole = signal(false);
const find = signal("");

const byDataset = computed(() => {
  const counts = facts.datasets.map(() => ({ shown: 0, all: 0 }));
  for (let image = 0; image < images.count; image++) {
    const own = counts[images.dataset[image]];
    own.all += 1;
    own.shown += passing.value[image];
  }
  return counts;
});

const columnsShown = (): ColumnHead[] => {
  const wanted = find.value.trim().toLowerCase();
  return facts.columns.filter(({ name }, number) => (
    (wanted === "" ? number < COLUMNS_SHOWN || isWhole.value : name.toLowerCase().includes(wanted)) || filtersSet.value.includes(`column:${name}`)));
};

const Cards = (): JSX.Element => (
  <>
    <p class="filter-how quiet">
      Check a box to keep only its images on the map, in the grid and in the charts. Click a bar to select its images; with Shift, they
      are added to the selection. Bars are shares of each dataset, counted among what all other filters let pass.
    </p>
    <div class="filter-grid">
      <div class="filter-stack">
        <DatasetsCard />
        <StandingCard />
      </div>
      {images.listed[reading.value] && <LevelsCard />}
      {facts.kinds.length > 0 && <KindsCard />}
      {facts.columns.length > COLUMNS_SHOWN && (
        <p class="filter-columns">
          <input
            type="search" class="filter-find" placeholder={`Find among ${counted(facts.columns.length, "column")}`} aria-label="Find a column"
            autocomplete="off" spellcheck={false} value={find.value} onInput={(event) => { find.value = event.currentTarget.value; }}
          />
          {!isWhole.value && find.value === "" && (
            <button type="button" class="plain" onClick={() => { isWhole.value = true; }}>Show all {formatCount(facts.columns.length)} columns</button>)}
        </p>)}
      {columnsShown().map((head) => (head.kind === "text" ? <TextCard key={head.name} head={head} /> : <NumberCard key={head.name} head={head} />))}
    </div>
  </>);

const Chip = ({ name }: { name: string }): JSX.Element => {
  const { about, passes } = filterText(name);
  return (
    <li class="filter-chip">
      <span><bdi class="quiet">{about}</bdi> <bdi>{passes}</bdi></span>
      <button
        type="button" aria-label={`Clear the filter by ${about}`} onClick={() => {
          clearFilter(name);
          document.getElementById("open-filters")?.focus();
        }}
      >×</button>
    </li>);
};

export const Filters = (): JSX.Element => {
  const set = filtersSet.value;
  return (
    <section id="filters" class={isOpen.value ? "open" : ""} aria-labelledby="filters-title">
      <div class="filter-line">
        <h2 id="filters-title" class="visually-hidden">Filters</h2>
        <button
          type="button" id="open-filters" class="plain" aria-expanded={isOpen.value} aria-controls="filter-cards"
          onClick={() => { isOpen.value = !isOpen.value; }}
        >Filters{set.length > 0 && <span class="filter-number"> {set.length}</span>}</button>
        <p id="filter-counts" aria-live="polite">
          {set.length === 0 ? <span class="quiet">All are shown:</span> : <strong>{formatCount(passingCount.value)} of {counted(images.count, "image")}:</strong>}
          {byDataset.value.map(({ shown, all }, dataset) => (
            <span key={dataset} class="filter-count"><Tag dataset={dataset} /> {set.length === 0 ? formatCount(all) : `${formatCount(shown)} of ${formatCount(all)}`}</span>))}
          {passingCount.value === 0 && <strong class="alert">No image passes all filters.</strong>}
        </p>
        {set.length > 0 && (
          <>
            <ul class="filter-chips" aria-label="Filters that are set">{set.map((name) => <Chip key={name} name={name} />)}</ul>
            <button
              type="button" id="clear-filters" class="plain" onClick={() => {
                setFilters(NO_FILTERS);
                document.getElementById("open-filters")?.focus();
              }}
            >Clear all</button>
          </>)}
      </div>
      <div id="filter-cards" hidden={!isOpen.value}>{isOpen.value && <Cards />}</div>
    </section>);
};
