// What the map's shapes, rings and colors mean.
import { computed } from "@preact/signals";
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { datasetName, facts } from "../data/facts.ts";
import { images, imagesWhere } from "../data/images.ts";
import { counted, formatCount, shorten } from "../format.ts";
import type { CategoriesKey, NumbersKey } from "../state/coloring.ts";
import { coloring, giveColor } from "../state/coloring.ts";
import { filters, passing, passingExcept, setFilters } from "../state/filters.ts";
import { colorBy, listed, reference, select, selection } from "../state/state.ts";
import { Swatch } from "./Picture.tsx";

const MATCHES_SHOWN = 8;

// ---- datasets

const isShown = (image: number): boolean => images.drawn[image] === 1 && passing.value[image] === 1;

// By part of the legend, what is on the map while the part is switched on.
const partCounts = computed((): number[] => {
  const counts = facts.datasets.flatMap(() => [0, 0]);
  const own = filters.value.hidden.size ? passingExcept("datasets") : passing.value;
  for (let image = 0; image < images.count; image++) {
    if (own[image] && images.drawn[image]) counts[2 * images.dataset[image] + Number(listed.value.has(image))] += 1;
  }
  return counts;
});

const selectedCount = computed((): number => [...selection.value.images].filter(isShown).length);

const Toggle = ({ part, text }: { part: number; text: string }): JSX.Element => {
  const { hidden } = filters.value;
  const toggle = (): void => {
    const changed = new Set(filters.peek().hidden);
    if (!changed.delete(part)) changed.add(part);
    setFilters({ hidden: changed });
  };
  // Where colors mean something else, only the shape tells the dataset.
  const color = coloring.value.key.kind === "dataset" ? {} : { color: "var(--quiet)" };
  return (
    <button type="button" class="toggle" data-entry={part} aria-pressed={!hidden.has(part)} onClick={toggle}>
      <Swatch dataset={part >> 1} listed={part % 2 === 1} {...color} />
      <bdi>{text}</bdi>
      <span class="quiet">{formatCount(partCounts.value[part])}</span>
    </button>);
};

/** The datasets and what is listed of each, as switches, and the ring of the selection. */
export const Legend = (): JSX.Element => (
  <div id="legend" role="group" aria-label="What the map shows">
    {facts.datasets.map((_, dataset) => (
      <span key={dataset} class="legend-group" role="group" aria-label={shorten(datasetName(dataset))}>
        <Toggle part={2 * dataset} text={datasetName(dataset)} />
        <Toggle part={2 * dataset + 1} text="outliers" />
      </span>))}
    {selection.value.images.size > 0 && (
      <span class="legend-selection">
        <svg class="swatch" viewBox="-1.25 -1.25 2.5 2.5" aria-hidden="true"><circle r="1.1" /></svg>
        selected <span class="quiet">{formatCount(selectedCount.value)}</span>
      </span>)}
  </div>);

// ---- choices

/** Which outliers are marked, and what the colors mean. */
export const ColorChoice = (): JSX.Element => (
  <>
    {facts.datasets.length > 2 && (
      <label id="reference-label" class="quiet">
        Outliers against{" "}
        <select id="reference" value={String(reference.value)} onChange={(event) => { reference.value = Number(event.currentTarget.value); }}>
          <option value="-1">any dataset</option>
          {facts.datasets.map(({ name }, dataset) => <option key={dataset} value={String(dataset)}>{shorten(name)}</option>)}
        </select>
      </label>)}
    <label class="quiet">
      Color by{" "}
      <select id="color" value={colorBy.value} onChange={(event) => { colorBy.value = event.currentTarget.value; }}>
        <option value="dataset">dataset</option>
        <option value="score">outlier score</option>
        <option value="cluster">cluster</option>
        {facts.kinds.length > 0 && <option value="kind">kind</option>}
        {facts.columns.length > 0 && (
          <optgroup label="columns">
            {facts.columns.map(({ name }) => <option key={name} value={`column:${name}`}>{shorten(name)}</option>)}
          </optgroup>)}
      </select>
    </label>
  </>);

// ---- colors

interface EntryProps {
  color: string;
  isMissing?: boolean;
  text: string;
  images: number[];
  label: string;
}

const Entry = ({ color, isMissing = false, text, images: own, label }: EntryProps): JSX.Element => (
  <button
    type="button" class="key-entry" title={`Select ${counted(own.length, "image")}: ${shorten(text, 300)}`} disabled={own.length === 0}
    onClick={(event) => select(own, label, event.shiftKey ? "add" : "replace")}
  >
    <span class={isMissing ? "chip-color missing" : "chip-color"} style={{ "--color": color }} aria-hidden="true" />
    <bdi>{text}</bdi> <span class="quiet">{formatCount(own.length)}</span>
  </button>);

const entryLabel = (key: CategoriesKey | NumbersKey, text: string): string => (
  key.name === "cluster" || key.name === "kind" ? text : `${shorten(key.name)}: ${shorten(text)}`);

const Categories = ({ own }: { own: CategoriesKey }): JSX.Element => {
  const [find, setFind] = useState("");
  const by = new Map([...own.colored.keys()].map((code): [number, number[]] => [code, []]));
  const [others, missing]: [number[], number[]] = [[], []];
  for (const image of imagesWhere(isShown)) {
    const code = own.codes[image];
    if (code === own.missing.code) missing.push(image);
    else (by.get(code) ?? others).push(image);
  }
  const isMore = own.texts.length > own.colored.size;
  const wanted = find.trim().toLowerCase();
  const found = wanted === "" ? [] : [...own.texts.keys()].filter((code) => own.texts[code].toLowerCase().includes(wanted));
  return (
    <>
      {[...own.colored].map(([code, color]) => (
        <Entry key={code} color={color} text={own.texts[code]} images={by.get(code)!} label={entryLabel(own, own.texts[code])} />))}
      {others.length > 0 && <Entry color={own.others.color} text="others" images={others} label={entryLabel(own, "others")} />}
      {missing.length > 0 && <Entry isMissing color={own.missing.color} text={own.missing.text} images={missing} label={entryLabel(own, own.missing.text)} />}
      {isMore && (
        <span class="key-search">
          <input
            type="search" id="find-color" placeholder={`Find among ${formatCount(own.texts.length)}`} aria-label="Find a value to give it a color"
            autocomplete="off" spellcheck={false} value={find} onInput={(event) => setFind(event.currentTarget.value)}
          />
          {found.slice(0, MATCHES_SHOWN).map((code) => (
            <button
              key={code} type="button" class="plain" onClick={() => {
                giveColor(code);
                setFind("");
                document.getElementById("find-color")?.focus();
              }}
            >color <bdi>{shorten(own.texts[code])}</bdi></button>))}
          {wanted !== "" && found.length === 0 && <span class="quiet">no value has this text</span>}
          {found.length > MATCHES_SHOWN && <span class="quiet">and {formatCount(found.length - MATCHES_SHOWN)} more</span>}
        </span>)}
    </>);
};

const Numbers = ({ own }: { own: NumbersKey }): JSX.Element => {
  const missing = imagesWhere((image) => isShown(image) && !Number.isFinite(own.values[image]));
  return (
    <>
      <span>{own.lowText}</span>
      <span class="ramp" aria-hidden="true" style={{ background: `linear-gradient(to right, ${own.ramp.join(",")})` }} />
      <span>{own.highText}</span>
      {missing.length > 0 && <Entry isMissing color={own.missing.color} text={own.missing.text} images={missing} label={entryLabel(own, own.missing.text)} />}
    </>);
};

/** What the map's colors mean, unless they mean datasets; a click on an entry selects its images. */
export const ColorKey = (): JSX.Element | null => {
  const { key } = coloring.value;
  if (key.kind === "dataset") return null;
  return (
    <div id="color-key" role="group" aria-label="What the colors mean">
      <bdi class="key-name quiet">{key.name}</bdi>
      {key.kind === "numbers" ? <Numbers own={key} /> : <Categories key={key.name} own={key} />}
    </div>);
};
