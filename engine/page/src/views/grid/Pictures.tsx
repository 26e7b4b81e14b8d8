// The pictures in rows, of which only those in sight are drawn; the keys move among them.
import type { Virtualizer as Rows } from "@tanstack/virtual-core";
import { defaultRangeExtractor, elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import { useComputed } from "@preact/signals";
import type { JSX, RefObject } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { facts } from "../../data/facts.ts";
import { formatImages } from "../../format.ts";
import { cells, hasStacks, isDescending, SIZES, size, sort, tick } from "../../state/grid.ts";
import { level, pair, pin, reading, scope, selection } from "../../state/state.ts";
import { cellHeight, CellView } from "./Cell.tsx";

const GAP = 10;
/** Around a picture within its cell: padding and border. */
const FRAME = 18;

const columnsIn = (width: number): number => Math.max(1, Math.floor((width + GAP) / (SIZES[size.value] + FRAME + GAP)));

const useWidth = (element: RefObject<HTMLElement | null>): number => {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const own = element.current;
    if (!own) return;
    const observer = new ResizeObserver(() => setWidth(own.clientWidth - parseFloat(getComputedStyle(own).paddingLeft) - parseFloat(getComputedStyle(own).paddingRight)));
    observer.observe(own);
    return () => observer.disconnect();
  }, [element]);
  return width;
};

// The rows in sight and a few more; `kept` is drawn wherever it is, since it holds the focus.
const useRows = (scroller: RefObject<HTMLElement | null>, count: number, height: number, kept: number): Rows<HTMLElement, Element> => {
  const [, redraw] = useReducer((times: number) => times + 1, 0);
  const options = {
    count, overscan: 3, paddingStart: GAP, paddingEnd: GAP, gap: GAP,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    rangeExtractor: (range: Parameters<typeof defaultRangeExtractor>[0]) => {
      const inSight = defaultRangeExtractor(range);
      return kept < count && !inSight.includes(kept) ? [...inSight, kept].sort((a, b) => a - b) : inSight;
    },
    observeElementRect, observeElementOffset, scrollToFn: elementScroll,
    onChange: () => redraw(undefined),
  };
  const [rows] = useState(() => new Virtualizer<HTMLElement, Element>(options));
  rows.setOptions(options);
  useLayoutEffect(() => rows._didMount(), [rows]);
  useLayoutEffect(() => rows._willUpdate());
  useLayoutEffect(() => rows.measure(), [rows, height]);
  return rows;
};

const label = (): string => {
  const where = `at ${facts.levels[level.value?.number ?? 0].name}`;
  const what = { listed: "What is listed", selected: "The selected images", all: "All images that are shown" }[scope.value];
  return `${what}, ${where}: ${formatImages(cells.value.length)}. The arrow keys move, Enter pins, Space selects.`;
};

/** What the grid shows; when it changes, the grid begins at its top. */
const useShown = (): string => useComputed(() => JSON.stringify([
  scope.value, level.value?.number, reading.value, pair.value, sort.value, isDescending.value,
  scope.value === "selected" ? selection.value.label : "",
])).value;

export const Pictures = (): JSX.Element => {
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(0);
  const wantsFocus = useRef(false);
  const lastTicked = useRef(0);
  const all = cells.value;
  const width = useWidth(scroller);
  const columns = columnsIn(width);
  const at = Math.min(active, Math.max(0, all.length - 1));
  const height = cellHeight(hasStacks.value);
  const rows = useRows(scroller, Math.ceil(all.length / columns), height, Math.floor(at / columns));
  const shown = useShown();
  useEffect(() => {
    setActive(0);
    scroller.current?.scrollTo({ top: 0 });
  }, [shown]);
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    wantsFocus.current = false;
    scroller.current?.querySelector<HTMLElement>(`[data-index="${at}"]`)?.focus({ preventScroll: true });
  });

  const go = (index: number): void => {
    const next = Math.max(0, Math.min(all.length - 1, index));
    wantsFocus.current = true;
    setActive(next);
    rows.scrollToIndex(Math.floor(next / columns), { align: "auto" });
  };
  const tickAt = (index: number, isTicked: boolean, isRange: boolean): void => {
    const [from, to] = isRange ? [Math.min(lastTicked.current, index), Math.max(lastTicked.current, index)] : [index, index];
    tick(all.slice(from, to + 1).map(({ image }) => image), isTicked);
    lastTicked.current = index;
    setActive(index);
  };
  const pinAt = (index: number): void => {
    setActive(index);
    pin(all[index].image);
  };
  const onKey = (event: KeyboardEvent): void => {
    const isOfControl = event.target instanceof Element && event.target.closest("button, input") !== null;
    if (event.altKey || !all.length || (isOfControl && (event.key === "Enter" || event.key === " "))) return;
    const inSight = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / (height + GAP)));
    const ends = event.ctrlKey || event.metaKey;
    const first = at - (at % columns);
    const moves: Partial<Record<string, number>> = {
      ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns,
      PageUp: at - inSight * columns, PageDown: at + inSight * columns,
      Home: ends ? 0 : first, End: ends ? all.length - 1 : first + columns - 1,
    };
    const move = moves[event.key];
    if (move !== undefined) {
      // Up from the first row and down from the last stay in their column.
      const isOut = (event.key === "ArrowUp" && move < 0) || (event.key === "ArrowDown" && move >= all.length);
      if (!isOut) go(move);
    } else if (event.key === "Enter") pinAt(at);
    else if (event.key === " ") {
      wantsFocus.current = true;
      tickAt(at, event.shiftKey || !selection.value.images.has(all[at].image), event.shiftKey);
    } else return;
    event.preventDefault();
  };

  return (
    <div
      ref={scroller} id="grid-items" class={`grid-items ${size.value}`} role="grid" aria-label={label()} aria-multiselectable="true"
      aria-rowcount={Math.ceil(all.length / columns)} aria-colcount={columns} onKeyDown={onKey}
    >
      <div role="rowgroup" class="grid-rows" style={{ height: `${rows.getTotalSize()}px` }}>
        {width > 0
          ? rows.getVirtualItems().map(({ index: row, start }) => (
            <div
              key={row} role="row" aria-rowindex={row + 1} class="grid-row"
              style={{ transform: `translateY(${start}px)`, height: `${height}px`, gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}
            >
              {all.slice(row * columns, (row + 1) * columns).map((cell, column) => (
                <CellView
                  key={cell.image} cell={cell} index={row * columns + column} column={column}
                  isActive={row * columns + column === at} onTick={tickAt} onPin={pinAt}
                />))}
            </div>))
          : null}
      </div>
    </div>);
};
