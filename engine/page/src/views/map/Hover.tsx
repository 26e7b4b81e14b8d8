// The card at the pointer: what image a point is.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { facts } from "../../data/facts.ts";
import { images, pairsOfQuery } from "../../data/images.ts";
import { formatCount, formatShort } from "../../format.ts";
import { valueText } from "../../state/filters.ts";
import { scoreAgainst } from "../../state/standing.ts";
import { colorBy, level } from "../../state/state.ts";
import { GroupLine } from "../GroupLine.tsx";
import { Boxed, Tag } from "../Picture.tsx";

/** The image that the mouse is at, and where in the window. */
export const hovered = signal<{ image: number; x: number; y: number } | null>(null);

const GAP = 18;
const MOST = 3;

const Standings = ({ image }: { image: number }): JSX.Element => {
  const own = level.value!;
  const entries = own.entries.get(image) ?? [];
  if (!entries.length) return <p class="quiet">Not listed as an outlier at {facts.levels[own.number].name}</p>;
  return (
    <>
      {entries.slice(0, MOST).map(({ pair, rank, q }) => (
        <p key={pair} class="status">
          <strong>Outlier</strong> against <Tag dataset={facts.pairs[pair][1]} /> <span class="quiet">rank {formatCount(rank)} · q {formatShort(q)}</span>
        </p>))}
    </>);
};

const Scores = ({ image }: { image: number }): JSX.Element => (
  <>
    {pairsOfQuery(image).slice(0, MOST).map((pair) => {
      const score = scoreAgainst(level.value!, pair, image);
      return Number.isFinite(score)
        ? <p key={pair} class="quiet">Outlier score against <Tag dataset={facts.pairs[pair][1]} />: {formatShort(score)}</p> : null;
    })}
  </>);

/** Where the map has no focus and the mouse is at a point, its image and what is known of it. */
export const Hover = (): JSX.Element | null => {
  const card = useRef<HTMLDivElement>(null);
  const own = hovered.value;
  useLayoutEffect(() => {
    if (!own || !card.current) return;
    const { width, height } = card.current.getBoundingClientRect();
    const left = own.x + GAP + width > innerWidth ? own.x - GAP - width : own.x + GAP;
    card.current.style.left = `${Math.max(8, left)}px`;
    card.current.style.top = `${Math.max(8, Math.min(own.y + GAP, innerHeight - height - 8))}px`;
  });
  if (!own || !level.value) return null;
  const column = colorBy.value.startsWith("column:") ? colorBy.value.slice("column:".length) : null;
  return (
    <div ref={card} id="hover" class="card" aria-hidden="true" data-image={own.image}>
      <Boxed image={own.image} box={132} eager />
      <div class="about">
        <Tag dataset={images.dataset[own.image]} />
        <p class="file"><bdi>{images.name(own.image)}</bdi></p>
        <GroupLine image={own.image} />
        {column === null ? null : <p class="quiet"><bdi>{column}</bdi>: <bdi>{valueText(own.image, column)}</bdi></p>}
        <Standings image={own.image} />
        <Scores image={own.image} />
      </div>
    </div>);
};
