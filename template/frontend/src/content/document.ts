import GithubSlugger from "github-slugger";
import { parse } from "yaml";

import { product } from "@/product";
import { siteAddress } from "@/site/address";

export interface Heading {
  id: string;
  text: string;
}

/** A Markdown file: what its front matter says of it, and its text. */
export interface Document {
  slug: string;
  title: string;
  summary: string;
  /** Day of writing, as 2026-11-27; empty where it does not matter. */
  date: string;
  /** Its place among documents of no date. */
  order: number;
  author: string;
  /** Whether its owner has read it and stands by it; legal texts begin as drafts. */
  reviewed: boolean;
  text: string;
  /** Of its sections, for a table of contents. */
  headings: readonly Heading[];
  minutes: number;
}

const FRONT_MATTER = /^---\n([\s\S]*?)\n---\n/;
const WORDS_A_MINUTE = 220;

/**
 * Read a document. `:product:` stands in it for the product's name, `:site:` for the site's address.
 *
 * A file that says no title is refused: better at the build than on the page.
 */
export function readDocument(slug: string, file: string): Document {
  const [front = "", yaml = ""] = FRONT_MATTER.exec(file) ?? [];
  const said = (parse(yaml) ?? {}) as Partial<Record<keyof Document, unknown>>;
  if (typeof said.title !== "string" || typeof said.summary !== "string") {
    throw new Error(`content/**/${slug}.md must say its title and summary between two lines of ---.`);
  }
  const named = (text: string) =>
    text.replaceAll(":product:", product.name).replaceAll(":site:", siteAddress.origin);
  const text = named(file.slice(front.length).trim());
  return {
    slug,
    title: named(said.title),
    summary: named(said.summary),
    date: typeof said.date === "string" ? said.date : "",
    order: typeof said.order === "number" ? said.order : 0,
    author: typeof said.author === "string" ? said.author : `The ${product.name} team`,
    reviewed: said.reviewed === true,
    text,
    headings: headingsOf(text),
    minutes: Math.max(1, Math.round(text.split(/\s+/).length / WORDS_A_MINUTE)),
  };
}

function headingsOf(text: string): readonly Heading[] {
  // The same ids as rehype-slug's, which also counts the headings of other levels.
  const slugger = new GithubSlugger();
  const outsideCode = text.replaceAll(/^```[\s\S]*?^```/gm, "");
  return [...outsideCode.matchAll(/^(#{1,6}) (.+)$/gm)].flatMap(([, marks = "", title = ""]) => {
    const plain = title.replaceAll(/[`*]/g, "");
    const id = slugger.slug(plain);
    return marks === "##" ? [{ id, text: plain }] : [];
  });
}
