// Tables as CSV, and files that the user saves.

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// A spreadsheet takes a text that begins so for a formula, and file names come from strangers. An apostrophe in front
// keeps it a text; texts that have apostrophes there already get one more, so that taking one off gives every text back.
const FORMULA = /^'*[=+\-@\t\r]/;

const field = (text: string): string => {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

/**
 * A table as CSV by RFC 4180, with no text that a spreadsheet would run as a formula.
 *
 * Numbers stay as they are. A text that would be a formula begins with an apostrophe more than it has.
 */
export const csvText = (rows: readonly (readonly string[])[]): string => (
  rows.map((fields) => `${fields.map(field).join(",")}\r\n`).join(""));

/** Saves a text, or a picture, as a file of the user's. */
export const download = (name: string, content: string | Blob, type: string): void => {
  const blob = typeof content === "string" ? new Blob([content], { type: `${type};charset=utf-8` }) : content;
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
};
