// Runs before anything is drawn: sets the theme, and takes in the data, which are scripts, since a page that is opened
// from disk cannot fetch.
import { startTheme } from "./theme.ts";

declare global {
  interface Window {
    gapscope: Gapscope;
  }
}

export interface Gapscope {
  /** Called by every data script. */
  receive: (name: string, value: unknown) => void;
  received: Map<string, unknown>;
}

const received = new Map<string, unknown>();
window.gapscope = { receive: (name, value) => received.set(name, value), received };
startTheme();
