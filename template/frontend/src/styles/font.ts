import { preload } from "react-dom";

/**
 * Lets a document name the font's file, which the browser would otherwise find only in the style sheet:
 * text would be set twice, and move. Latin letters alone; the other files come when a page has their letters.
 */
export function preloadFont(): void {
  const file = new URL("@fontsource-variable/geist/files/geist-latin-wght-normal.woff2", import.meta.url);
  preload(file.href, { as: "font", type: "font/woff2", crossOrigin: "anonymous" });
}
