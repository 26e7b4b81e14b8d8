// A picture of the map for a report or a slide: with a title, a legend, counts and the date, as PNG or SVG.
import { shorten } from "../format.ts";

export interface LegendEntry {
  /** SVG path of the mark, around (0, 0). */
  path: string;
  color: string;
  /** Whether the mark has the ring of what is listed. */
  isListed: boolean;
  text: string;
}

export interface PictureContents {
  title: string;
  /** Level, reading and pair. */
  subtitle: string;
  legend: LegendEntry[];
  /** What the colors mean, a color and a text each. */
  key: { color: string; text: string }[];
  /** Counts, and how the map was made. */
  notes: string[];
  /** Draws the map into a group, `width` by `height`. */
  drawMap: (group: SVGGElement, width: number, height: number) => void;
  /** Width of the map divided by its height. */
  aspect: number;
  colors: { ground: string; text: string; quiet: string; ring: string };
}

const WIDTH = 1200;
const EDGE = 32;
const LINE = 22;
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', sans-serif";
/** Texts longer than this are cut off, since a picture cannot wrap a name of any length. */
const LONGEST = 110;

const NAMESPACE = "http://www.w3.org/2000/svg";

export const svgElement = (tag: string, attributes: Record<string, string | number>): SVGElement => {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
};

// Entries one after the other, in as many lines as they need. Widths of letters are not known without drawing them.
const flow = <T extends { text: string }>(entries: T[], draw: (entry: T, x: number, y: number) => void, top: number): number => {
  let [x, y] = [EDGE, top];
  for (const entry of entries) {
    const width = 40 + 8.2 * Math.min(entry.text.length, 40);
    if (x > EDGE && x + width > WIDTH - EDGE) [x, y] = [EDGE, y + LINE];
    draw(entry, x, y);
    x += width;
  }
  return entries.length ? y + LINE : top;
};

/** Returns the picture as an SVG element. */
export const drawPicture = ({ title, subtitle, legend, key, notes, drawMap, aspect, colors }: PictureContents): SVGSVGElement => {
  const picture = svgElement("svg", { xmlns: NAMESPACE, "font-family": FONT }) as SVGSVGElement;
  const ground = svgElement("rect", { x: 0, y: 0, width: WIDTH, fill: colors.ground });
  picture.append(ground);
  const write = (text: string, x: number, y: number, attributes: Record<string, string | number>): void => {
    const element = svgElement("text", { x, y, fill: colors.text, "font-size": 15, ...attributes });
    element.textContent = text;
    picture.append(element);
  };
  write(shorten(title, 70), EDGE, 52, { "font-size": 28, "font-weight": 650 });
  write(shorten(subtitle, LONGEST), EDGE, 82, { fill: colors.quiet, "font-size": 17 });
  let y = flow(legend, (entry, x, top) => {
    const mark = svgElement("g", { transform: `translate(${x + 7} ${top - 5})` });
    const ring = entry.isListed ? { stroke: colors.ring, "stroke-width": 1.8 } : {};
    mark.append(svgElement("path", { d: entry.path, fill: entry.color, ...ring }));
    picture.append(mark);
    write(shorten(entry.text, 40), x + 22, top, {});
  }, 120);
  y = flow(key, (entry, x, top) => {
    picture.append(svgElement("rect", { x, y: top - 11, width: 13, height: 13, rx: 2, fill: entry.color }));
    write(shorten(entry.text, 40), x + 22, top, {});
  }, y + 4);
  const [width, top] = [WIDTH - 2 * EDGE, y];
  const height = Math.round(width / aspect);
  const group = svgElement("g", { transform: `translate(${EDGE} ${top})` }) as SVGGElement;
  drawMap(group, width, height);
  picture.append(group);
  y = top + height + 30;
  for (const note of notes) {
    write(shorten(note, 150), EDGE, y, { fill: colors.quiet, "font-size": 14 });
    y += LINE;
  }
  const whole = y + EDGE - LINE;
  ground.setAttribute("height", String(whole));
  for (const [name, value] of Object.entries({ width: WIDTH, height: whole, viewBox: `0 0 ${WIDTH} ${whole}` })) {
    picture.setAttribute(name, String(value));
  }
  return picture;
};

/** The text of an SVG file. */
export const svgFile = (picture: SVGSVGElement): string => `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(picture)}\n`;

/** Returns the picture as PNG, with `scale` pixels for each of its units. */
export const pngFile = async (picture: SVGSVGElement, scale: number): Promise<Blob> => {
  const [width, height] = ["width", "height"].map((name) => Number(picture.getAttribute(name)));
  const url = URL.createObjectURL(new Blob([svgFile(picture)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width * scale, height * scale];
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => {
      canvas.toBlob((blob) => blob ? resolve(blob) : reject(new Error("the browser could not write a PNG")), "image/png");
    });
  } finally {
    URL.revokeObjectURL(url);
  }
};
