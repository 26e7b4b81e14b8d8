// The grid of pictures: what is listed, what is selected, or all that is shown.
import type { JSX } from "preact";
import { datasetName, facts } from "../data/facts.ts";
import { formatCount, formatImages } from "../format.ts";
import { saveList, saveTable } from "../saved.ts";
import type { Size, Sort } from "../state/grid.ts";
import { cells, gridImages, isDescending, isRanking, scopeCounts, scopeSize, selectShown, SIZES, size, sort, sortBy, turnSort } from "../state/grid.ts";
import { like } from "../state/like.ts";
import type { Scope } from "../state/state.ts";
import { level, pair, scope, show } from "../state/state.ts";
import { ExportCommand } from "./ExportCommand.tsx";
import { About } from "./grid/About.tsx";
import { Counts } from "./grid/Counts.tsx";
import { Pictures } from "./grid/Pictures.tsx";
import { SelectionBar } from "./SelectionBar.tsx";
import { Word } from "./Word.tsx";

const SCOPES: [Scope, string][] = [["listed", "Listed"], ["selected", "Selected"], ["all", "All shown"]];

const Scopes = (): JSX.Element => (
  <fieldset id="scopes" class="segments">
    <legend class="visually-hidden">Which images the grid shows</legend>
    {SCOPES.map(([own, text]) => (
      <label key={own} class="segment">
        <input
          type="radio" name="scope" value={own} class="visually-hidden" checked={scope.value === own}
          onChange={() => {
            scope.value = own;
          }}
        />
        {own === "listed" && level.value && !level.value.lists.at(pair.value)?.total ? "Ranked" : text} <span class="quiet">{formatCount(scopeCounts.value[own])}</span>
      </label>))}
  </fieldset>);

const PairChoice = (): JSX.Element | null => {
  if (facts.pairs.length < 2 || scope.value !== "listed") return null;
  return (
    <label id="pair-label" class="quiet">Pair <select id="pair" value={pair.value} onChange={(event) => show({ pair: Number(event.currentTarget.value) })}>
      {facts.pairs.map((own, number) => <option key={number} value={number}>{own.map(datasetName).join(" vs ")}</option>)}
    </select></label>);
};

const sorts = (): [Sort, string][] => [
  ...(scope.value === "selected" && like.value ? [["likeness", "likeness"] satisfies [Sort, string]] : []),
  ...(facts.pairs.length ? [["rank", "rank"], ["score", "outlier score"], ["nearest", "nearest distance"]] satisfies [Sort, string][] : []),
  ["name", "name"], ["dataset", "dataset"],
];

const SortChoice = (): JSX.Element => (
  <span class="sort">
    <label class="quiet">Sort by <select id="sort" value={sort.value} onChange={(event) => sortBy(event.currentTarget.value as Sort)}>
      {sorts().map(([own, text]) => <option key={own} value={own}>{text}</option>)}
      {facts.columns.length
        ? <optgroup label="Columns">{facts.columns.map(({ name }) => <option key={name} value={`column:${name}`}>{name}</option>)}</optgroup>
        : null}
    </select></label>
    <button type="button" id="turn-sort" class="plain" aria-pressed={isDescending.value} title="Large values first" onClick={turnSort}>
      {isDescending.value ? "↓" : "↑"}<span class="visually-hidden"> Large values first</span>
    </button>
  </span>);

const SIZE_TEXTS: [Size, string][] = [["small", "S"], ["medium", "M"], ["large", "L"]];

const SizeChoice = (): JSX.Element => (
  <fieldset id="sizes" class="segments">
    <legend class="visually-hidden">Size of the pictures</legend>
    {SIZE_TEXTS.map(([own, text]) => (
      <label key={own} class="segment" title={`${own}, ${SIZES[own]} pixels`}>
        <input
          type="radio" name="picture-size" value={own} class="visually-hidden" checked={size.value === own} aria-label={own}
          onChange={() => {
            size.value = own;
          }}
        />
        {text}
      </label>))}
  </fieldset>);

const countText = (): string => {
  const shown = gridImages.value.length;
  const left = scopeSize.value - shown;
  const stacked = cells.value.length < shown ? ` in ${formatCount(cells.value.length)} pictures` : "";
  return `${formatImages(shown)}${stacked}${left ? `, ${formatCount(left)} left out by the filters` : ""}`;
};

// What is written under each picture.
const Caption = (): JSX.Element | null => {
  if (sort.value === "score") return <><Word id="outlier-score">Outlier score</Word> under each.</>;
  if (sort.value === "nearest") return <><Word id="nearest-distance">Distance</Word> to the nearest image of the other dataset under each.</>;
  if (sort.value === "likeness") return <><Word id="nearest-distance">Distance</Word> under each.</>;
  if (sort.value !== "rank" || !facts.pairs.length) return null;
  if (scope.value === "listed" && isRanking.value) return <><Word id="rank">Rank</Word> and <Word id="p">p</Word> under each.</>;
  return <><Word id="rank">Rank</Word> and <Word id="q">q</Word> under each.</>;
};

// What is selected has the same buttons in its bar.
const Actions = (): JSX.Element | null => {
  const shown = gridImages.value;
  if (scope.value === "selected" || !shown.length) return null;
  return (
    <span class="buttons">
      <button type="button" id="select-all" class="plain" onClick={selectShown}>Select all {formatCount(shown.length)}</button>
      <button type="button" id="save-shown-list" class="plain" title="A text file with one name a line" onClick={() => saveList(shown, scope.value)}>Save list</button>
      <button type="button" id="save-shown" class="plain" title="A table with ranks, scores and columns" onClick={() => saveTable(shown, scope.value)}>Save CSV</button>
    </span>);
};

// The list that is shown, unless it is a ranking: that is no list.
const ListCommand = (): JSX.Element | null => {
  const total = level.value?.lists.at(pair.value)?.total ?? 0;
  if (scope.value !== "listed" || isRanking.value || !total) return null;
  const name = `${facts.levels[level.value!.number].name}.${facts.pairs[pair.value].map(datasetName).join("-vs-")}`;
  return <ExportCommand what={`--list ${name}${level.value!.reading === "style-aside" ? ".style-aside" : ""}`} of={name} />;
};

const Empty = (): JSX.Element => {
  const text = scopeSize.value ? `None of the ${formatImages(scopeSize.value)} passes the filters.`
    : scope.value === "selected" ? "Nothing is selected." : "Nothing is listed.";
  return <p class="grid-empty quiet">{text}</p>;
};

export const Grid = (): JSX.Element => (
  <section id="grid" aria-labelledby="grid-title" tabIndex={-1}>
    <div class="section-head">
      <h2 id="grid-title">Images</h2>
      <Scopes />
    </div>
    <About />
    <SelectionBar place="grid" />
    <div class="grid-tools">
      <SortChoice />
      <SizeChoice />
      <PairChoice />
      <span class="quiet grid-count"><span id="grid-count" role="status">{countText()}.</span> <Caption /></span>
      <Actions />
    </div>
    <div class="grid-body">
      <Counts />
      {gridImages.value.length ? <Pictures /> : <Empty />}
    </div>
    <ListCommand />
  </section>);
