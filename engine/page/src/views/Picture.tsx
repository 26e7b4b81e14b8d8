// A picture of an image, and the marks of its dataset.
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { datasetName, facts } from "../data/facts.ts";
import { hasPictures, images } from "../data/images.ts";
import { fileUrl } from "../data/load.ts";
import { shapePath } from "../map/shapes.ts";

interface SwatchProps {
  dataset: number;
  /** With the ring of what is listed. */
  listed?: boolean;
  /** Another than the dataset's, where colors mean something else. */
  color?: string;
}

/** A dataset's mark: its shape on the map, in its color. */
export const Swatch = ({ dataset, listed = false, color = `var(--dataset-${dataset})` }: SwatchProps): JSX.Element => (
  <svg class={listed ? "swatch outlier" : "swatch"} viewBox="-1.25 -1.25 2.5 2.5" style={{ "--color": color }} aria-hidden="true">
    <path d={shapePath(dataset, 1)} />
  </svg>);

/** A dataset's name with its mark. */
export const Tag = ({ dataset }: { dataset: number }): JSX.Element => (
  <span class="tag"><Swatch dataset={dataset} /><bdi>{datasetName(dataset)}</bdi></span>);

type Sheet = (typeof facts.sheets)[number];
const sheetOf = (image: number): Sheet | undefined => (
  facts.sheets.find(([, start, stop]) => image >= start && image < stop));

export const altText = (image: number): string => `${images.name(image)}, ${datasetName(images.dataset[image])}`;

// A sheet of many pictures is loaded when the first of them comes near the window.
const waiting = new WeakMap<Element, string>();
const observer = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    (target as HTMLElement).style.backgroundImage = waiting.get(target)!;
  }
}, { rootMargin: "300px" });

interface ThumbnailProps {
  image: number;
  /** Longer side on the page, in pixels. */
  box: number;
  /** Loads its sheet at once. */
  eager?: boolean;
  /** What lies over the picture, such as a heat map. */
  children?: ComponentChildren;
}

/** The thumbnail of an image: one tile of a sheet, shown as a background with a size and position. */
export const Thumbnail = ({ image, box, eager = false, children }: ThumbnailProps): JSX.Element => {
  const element = useRef<HTMLSpanElement>(null);
  const [width, height] = [images.sizes[2 * image], images.sizes[2 * image + 1]];
  const sheet = sheetOf(image);
  const url = width && sheet ? `url("${fileUrl(`tiles/${sheet[0]}`)}")` : null;
  useEffect(() => {
    const own = element.current;
    if (!own || url === null) return;
    if (eager) {
      own.style.backgroundImage = url;
      return;
    }
    own.style.backgroundImage = "";
    waiting.set(own, url);
    observer.observe(own);
    return () => observer.unobserve(own);
  }, [url, eager]);
  if (url === null) {
    const reason = !sheet ? "no thumbnail" : hasPictures(images.dataset[image]) ? "not readable" : "no picture";
    return (
      <span class="thumbnail missing" role="img" aria-label={`${altText(image)}, ${reason}`} style={{ width: `${box}px`, height: `${box}px` }}>
        {reason}
      </span>);
  }
  const [, start, , side, columns] = sheet!;
  const scale = box / Math.max(width, height);
  const [row, column] = [Math.floor((image - start) / columns), (image - start) % columns];
  return (
    <span
      ref={element} class={children ? "thumbnail with-heat" : "thumbnail"} role="img" aria-label={altText(image)} data-image={image}
      style={{
        width: `${Math.max(2, width * scale)}px`,
        height: `${Math.max(2, height * scale)}px`,
        backgroundSize: `${columns * side * scale}px auto`,
        backgroundPosition: `${-column * side * scale}px ${-row * side * scale}px`,
      }}
    >{children}</span>);
};

/** A thumbnail in the middle of a square. */
export const Boxed = (props: ThumbnailProps): JSX.Element => <span class="box"><Thumbnail {...props} /></span>;

/** The URL of the full image, where `gapscope serve` serves the page. */
export const fullImage = (image: number): string | null => {
  const served = document.querySelector<HTMLMetaElement>("meta[name='gapscope-images']")?.content;
  return served ? `${served}/${images.dataset[image]}/${images.row[image]}` : null;
};
