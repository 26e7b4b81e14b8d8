// Light or dark: as the system is, until the user chooses.
const KEY = "gapscope-theme";

export type Theme = "light" | "dark";

const stored = (): Theme | null => {
  try {
    const text = localStorage.getItem(KEY);
    return text === "light" || text === "dark" ? text : null;
  } catch {
    return null;
  }
};

export const systemTheme = (): MediaQueryList => matchMedia("(prefers-color-scheme: dark)");
export const isThemeChosen = (): boolean => stored() !== null;
export const themeShown = (): Theme => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

export const showTheme = (theme: Theme): void => {
  document.documentElement.dataset.theme = theme;
};

export const storeTheme = (theme: Theme): void => {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Without storage, the choice is lost when the page is closed.
  }
};

export const startTheme = (): void => showTheme(stored() ?? (systemTheme().matches ? "dark" : "light"));
