import { THEME_COOKIE, themeAttribute, themeFrom, type Theme } from "./theme";

const listeners = new Set<() => void>();
const YEAR = 365 * 24 * 60 * 60;

/** Let the choice hold at once, in this document, and for a year in every other. */
export function choose(theme: Theme): void {
  const root = document.documentElement;
  const attribute = themeAttribute(theme);
  if (attribute) root.dataset.theme = attribute;
  else delete root.dataset.theme;
  const age = attribute ? YEAR : 0;
  document.cookie = `${THEME_COOKIE}=${theme}; Path=/; Max-Age=${age}; SameSite=Lax`;
  for (const listener of listeners) listener();
}

/** What was chosen, as this document's cookie says. */
export function chosen(): Theme {
  const start = `${THEME_COOKIE}=`;
  const pair = document.cookie.split("; ").find((part) => part.startsWith(start));
  return themeFrom(pair?.slice(start.length));
}

/** Be told of choices; the answer ends that. */
export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
