// A picture in the grid, with what the order says of it and a box that selects it.
import { computed } from "@preact/signals";
import type { JSX } from "preact";
import { datasetName } from "../../data/facts.ts";
import { groupName, groupOf, images, rowUnits, unit } from "../../data/images.ts";
import { REASON_TEXTS } from "../../data/levels.ts";
import { formatCount, formatShort } from "../../format.ts";
import { valueText } from "../../state/filters.ts";
import type { Cell } from "../../state/grid.ts";
import { isRanking, nearShown, SIZES, size, sort, toggleGroup } from "../../state/grid.ts";
import { like } from "../../state/like.ts";
import { distanceAgainst, entryOf, judgingPairs, scoreAgainst } from "../../state/standing.ts";
import { level, pair, pinned, scope, selection } from "../../state/state.ts";
import { Boxed, Swatch } from "../Picture.tsx";

/** The p of each image of the pair's ranking. */
const rankingP = computed(() => {
  const ranking = level.value?.rankings.at(pair.value);
  return new Map(Array.from(ranking?.image ?? [], (image, at) => [image, ranking!.numbers[3 * at]]));
});

const short = (value: number): string => (Number.isFinite(value) ? formatShort(value) : "not known");

interface CellTexts {
  /** What the order says: a rank, or the value that is sorted by. */
  main: string;
  more: string;
  /** The third line. */
  about: string;
}

const textsOf = ({ image, rank }: Cell): CellTexts => {
  const own = level.value;
  const judged = judgingPairs()[images.dataset[image]];
  const entry = own && judged >= 0 ? entryOf(own, judged, image) : undefined;
  const name = datasetName(images.dataset[image]);
  const isListed = scope.value === "listed";
  const by = sort.value;
  const group = groupOf(image);
  const groupText = group && group.images > 1 ? `${groupName(group)}, ${formatCount(group.images)} ${rowUnits(images.dataset[image])}` : "not listed";
  const about = isListed && isRanking.value ? groupText
    : isListed && entry ? REASON_TEXTS[entry.reason]
      : entry ? `${name}, listed` : name;
  const ownRank = rank ?? entry?.rank;
  const rankText = ownRank === undefined ? "" : `rank ${formatCount(ownRank)}`;
  if (own && by === "score") return { main: short(scoreAgainst(own, judged, image)), more: rankText, about };
  if (own && by === "nearest") return { main: short(distanceAgainst(own, nearShown.value, judged, image)), more: rankText, about };
  if (by === "likeness") return { main: short(like.value?.distances.get(image) ?? NaN), more: rankText, about };
  if (by.startsWith("column:")) {
    return { main: valueText(image, by.slice("column:".length)) ?? "", more: "", about };
  }
  const p = rankingP.value.get(image);
  const certainty = entry ? `q ${formatShort(entry.q)}` : isListed && p !== undefined ? `p ${formatShort(p)}` : "";
  return { main: ownRank === undefined ? "–" : formatCount(ownRank), more: certainty, about };
};

interface CellViewProps {
  cell: Cell;
  /** Position in the grid, from 0. */
  index: number;
  column: number;
  isActive: boolean;
  /** `isRange` for all from the last one that was ticked. */
  onTick: (index: number, isTicked: boolean, isRange: boolean) => void;
  onPin: (index: number) => void;
}

/** Heights of the lines under a picture, as grid.css has them. */
export const cellHeight = (withStacks: boolean): number => (
  SIZES[size.value] + 18 + 22 + 20 + (size.value === "small" ? 0 : 18) + (withStacks ? 32 : 0));

export const CellView = ({ cell, index, column, isActive, onTick, onPin }: CellViewProps): JSX.Element => {
  const { image, behind, isOpen } = cell;
  const isTicked = selection.value.images.has(image);
  const isPinned = pinned.value === image;
  const { main, more, about } = textsOf(cell);
  const [name, dataset] = [images.name(image), datasetName(images.dataset[image])];
  const behindText = behind ? (isOpen ? "Show one" : `${formatCount(behind)} more of this ${unit(images.dataset[image], 1)}`) : "";
  const click = (event: MouseEvent): void => {
    if (event.target instanceof Element && event.target.closest("label, button")) return;
    if (event.shiftKey || event.ctrlKey || event.metaKey) onTick(index, event.shiftKey || !isTicked, event.shiftKey);
    else onPin(index);
  };
  // The name of the cell is its text, so the picture says nothing of its own.
  return (
    <div
      role="gridcell" aria-colindex={column + 1} aria-selected={isTicked} aria-current={isPinned ? "true" : undefined}
      tabIndex={isActive ? 0 : -1} class="item" data-index={index} data-item={image} title={name} onClick={click}
    >
      <span aria-hidden="true"><Boxed image={image} box={SIZES[size.value]} /></span>
      <span class="item-head"><strong><bdi>{main}</bdi></strong> <span class="quiet">{more}</span></span>
      <span class="item-name"><Swatch dataset={images.dataset[image]} /><bdi>{name}</bdi></span>
      {size.value === "small" || !about.startsWith(dataset) ? <span class="visually-hidden">{dataset}</span> : null}
      {size.value === "small" ? null : <span class="item-about quiet"><bdi>{about}</bdi></span>}
      {behind
        ? (
          <button
            type="button" class="plain behind" tabIndex={isActive ? 0 : -1} aria-expanded={isOpen} data-group={images.group![image]}
            onClick={() => toggleGroup(images.group![image])}
          >{behindText}</button>)
        : null}
      <label class="tick" title="Select">
        <input
          type="checkbox" tabIndex={-1} checked={isTicked} aria-label={`Select ${name}`}
          onClick={(event) => {
            onTick(index, event.currentTarget.checked, event.shiftKey);
          }}
        />
      </label>
    </div>);
};
