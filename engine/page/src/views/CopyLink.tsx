// Copies the address of what is seen.
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { isSelectionTooLarge, linkText } from "../state/link.ts";

const answer = signal<string | null>(null);

const addressNow = (): string => {
  const [address] = location.href.split("#");
  return linkText.value ? `${address}#${linkText.value}` : address;
};

const copy = async (): Promise<void> => {
  try {
    await navigator.clipboard.writeText(addressNow());
    answer.value = isSelectionTooLarge.value ? "Copied, without the selection: it is too large for a link. Save it as a list." : "Copied";
  } catch {
    answer.value = "Copy it from the address bar: this browser gives a page no clipboard.";
  }
  setTimeout(() => { answer.value = null; }, 6000);
};

/** A button that copies a link to the page as it is shown now. */
export const CopyLink = (): JSX.Element => (
  <>
    <span class="quiet" id="copied" role="status">{answer.value}</span>
    <button type="button" id="copy-link" class="plain" title="A link to what you see: level, selection, filters and camera" onClick={() => void copy()}>Copy link</button>
  </>);
