import "server-only";

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

import { readDocument, type Document } from "./document";

/** What is written in Markdown, by the folder under `content/` that holds it. */
export type Shelf = "blog" | "docs" | "legal";

/** Every document of a shelf, in the order in which its front matter puts them. */
export function documents(shelf: Shelf): readonly Document[] {
  const folder = path.join(process.cwd(), "content", shelf);
  return readdirSync(folder)
    .filter((name) => name.endsWith(".md"))
    .map((name) =>
      readDocument(name.slice(0, -".md".length), readFileSync(path.join(folder, name), "utf8")),
    )
    .sort((one, other) => other.date.localeCompare(one.date) || one.order - other.order);
}

/** The document of an address, or undefined where there is none. */
export function find(shelf: Shelf, slug: string): Document | undefined {
  return documents(shelf).find((document) => document.slug === slug);
}
