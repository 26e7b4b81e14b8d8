// The search box, which finds images by words in their names, groups and texts.
import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { facts } from "../data/facts.ts";
import { groupName, groupOf, images } from "../data/images.ts";
import { MISSING } from "../data/columns.ts";
import { formatCount, formatImages } from "../format.ts";
import { columnValues, passing, wantColumn } from "../state/filters.ts";
import { level, pin, select } from "../state/state.ts";
import { Boxed, Tag } from "./Picture.tsx";

const MOST = 12;
/** More values than this are not loaded for a search; names and groups are searched anyway. */
const MOST_VALUES = 3_000_000;

const words = signal("");
const isOpen = signal(false);

let names: string[] | undefined;
const lowerCaseNames = (): string[] => {
  names ??= Array.from({ length: images.count }, (_, image) => images.name(image).toLowerCase());
  return names;
};

const textColumns = (): string[] => {
  const texts = facts.columns.filter((column) => column.kind === "text").map(({ name }) => name);
  return texts.length * images.count > MOST_VALUES ? [] : texts;
};

// Whether an image has a word in its name, its group's name or one of its texts.
const hasWord = (word: string): (image: number) => boolean => {
  const own = lowerCaseNames();
  const groups = new Set(images.groups.flatMap(({ name }, group) => (name.toLowerCase().includes(word) ? [group] : [])));
  const columns = facts.columns.flatMap((column) => {
    const values = column.kind === "text" ? columnValues.value.get(column.name) : undefined;
    if (!values || column.kind !== "text") return [];
    const codes = new Set(column.texts.flatMap((text, code) => (text.toLowerCase().includes(word) ? [code] : [])));
    return codes.size ? [{ values, codes }] : [];
  });
  return (image) => own[image].includes(word) || (images.group !== null && groups.has(images.group[image]))
    || columns.some(({ values, codes }) => codes.has(values[image]));
};

// What of an image has a word that its name has not, such as one of its texts; empty where the name has all words.
const foundIn = (image: number): string => {
  const [name, group] = [images.name(image).toLowerCase(), groupOf(image)];
  for (const word of wordsWanted()) {
    if (name.includes(word)) continue;
    for (const column of facts.columns) {
      const text = column.kind === "text" ? column.texts.at(columnValues.value.get(column.name)?.[image] ?? MISSING) : undefined;
      if (text?.toLowerCase().includes(word)) return `${column.name}: ${text}`;
    }
    if (group?.name.toLowerCase().includes(word)) return groupName(group);
  }
  return "";
};

const wordsWanted = (): string[] => words.value.toLowerCase().split(/\s+/).filter(Boolean);

/** The images that have all words, those that the filters leave out counted apart. */
const found = computed((): { shown: number[]; hidden: number } => {
  const wanted = wordsWanted().map(hasWord);
  if (!wanted.length) return { shown: [], hidden: 0 };
  const shown: number[] = [];
  let hidden = 0;
  for (let image = 0; image < images.count; image++) {
    if (!wanted.every((has) => has(image))) continue;
    if (passing.value[image]) shown.push(image);
    else hidden += 1;
  }
  return { shown, hidden };
});

const noteText = ({ shown, hidden }: { shown: number[]; hidden: number }): string => {
  const onPage = facts.placed > images.count ? ` Of ${formatImages(facts.placed)}, ${formatCount(images.count)} are on this page.` : "";
  const filtered = hidden ? ` ${formatCount(hidden)} more ${hidden === 1 ? "is" : "are"} left out by the filters.` : "";
  if (!shown.length && hidden) return `${formatImages(hidden)} ${hidden === 1 ? "is" : "are"} left out by the filters.${onPage}`;
  if (!shown.length) return `No image on this page has a name or a text like this.${onPage}`;
  return `${shown.length > MOST ? `The first ${MOST} of ${formatCount(shown.length)}.` : `${formatImages(shown.length)}.`}${filtered}${onPage}`;
};

// What the reading that is shown says of an image, at the level that is shown.
const Standing = ({ image }: { image: number }): JSX.Element | null => {
  const entries = level.value?.entries.get(image) ?? [];
  return entries.length ? <span class="quiet">outlier, rank {formatCount(Math.min(...entries.map(({ rank }) => rank)))}</span> : null;
};

export const Search = (): JSX.Element => {
  const finder = useRef<HTMLDivElement>(null);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const closeOutside = (event: Event): void => {
      if (!(event.target instanceof Node) || !finder.current?.contains(event.target)) isOpen.value = false;
    };
    document.addEventListener("pointerdown", closeOutside);
    return () => document.removeEventListener("pointerdown", closeOutside);
  }, []);
  const isShown = isOpen.value && words.value.trim() !== "";
  const { shown } = found.value;
  const open = (): void => {
    textColumns().forEach(wantColumn);
    isOpen.value = true;
  };
  const choose = (image: number): void => {
    isOpen.value = false;
    pin(image);
  };
  const selectAll = (): void => {
    isOpen.value = false;
    select(shown, `search "${words.value.trim()}"`);
    box.current?.focus();
    // The focus has opened the list again.
    isOpen.value = false;
  };
  const move = (event: KeyboardEvent, step: number): void => {
    const buttons = [...finder.current!.querySelectorAll<HTMLElement>("#matches button")];
    const next = buttons.indexOf(document.activeElement as HTMLElement) + step;
    event.preventDefault();
    (next < 0 ? box.current : buttons.at(Math.min(next, buttons.length - 1)))?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (!isShown) return;
    if (event.key === "Enter" && event.target === box.current && shown.length) {
      event.preventDefault();
      choose(shown[0]);
    } else if (event.key === "ArrowDown") move(event, 1);
    else if (event.key === "ArrowUp") move(event, -1);
    else if (event.key === "Escape") {
      event.preventDefault();
      box.current?.focus();
      isOpen.value = false;
    }
  };
  const leave = (event: FocusEvent): void => {
    if (event.relatedTarget instanceof Node && !finder.current?.contains(event.relatedTarget)) isOpen.value = false;
  };
  return (
    <div ref={finder} class="finder" data-arrows onKeyDown={onKey} onFocusOut={leave}>
      <input
        ref={box} type="search" id="find" placeholder="Find images by name or text" aria-label="Find images by name or text"
        aria-controls="matches" autocomplete="off" spellcheck={false}
        value={words.value} onFocus={open} onInput={(event) => {
          words.value = event.currentTarget.value;
          open();
        }}
      />
      <div id="matches" role="group" aria-label="Images that were found" hidden={!isShown}>
        {isShown
          ? (
            <>
              <p class="quiet"><span role="status">{noteText(found.value)}</span></p>
              {shown.length ? <button type="button" id="select-matches" class="plain" onClick={selectAll}>Select all {formatCount(shown.length)}</button> : null}
              {shown.slice(0, MOST).map((image) => (
                <button key={image} type="button" class="match" onClick={() => choose(image)}>
                  <Boxed image={image} box={40} eager />
                  <span class="match-name"><span class="file"><bdi>{images.name(image)}</bdi></span><span class="match-text quiet"><bdi>{foundIn(image)}</bdi></span></span>
                  <span class="match-about"><Tag dataset={images.dataset[image]} /><Standing image={image} /></span>
                </button>))}
            </>)
          : null}
      </div>
    </div>);
};
