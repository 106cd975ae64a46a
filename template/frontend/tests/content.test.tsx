import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, test } from "vitest";

import { Prose } from "@/components/site/prose";
import { readDocument } from "@/content/document";
import { documents } from "@/content/library";
import { product } from "@/product";

test("markup in a text is left out: no element, no handler, no address that runs code", () => {
  const text = [
    "Before <script>alert(1)</script> after",
    "",
    '<img src="x" onerror="alert(1)">',
    "",
    "[click](javascript:alert(1)) [data](data:text/html,x)",
  ].join("\n");
  const html = renderToStaticMarkup(<Prose text={text} />);
  expect(html).not.toMatch(/<script|<img|onerror|javascript:|data:text/);
});

test("no style attribute comes of a table's alignment", () => {
  const html = renderToStaticMarkup(<Prose text={"| a | b |\n| :-: | --: |\n| 1 | 2 |"} />);
  expect(html).toContain("<td>1</td>");
  expect(html).not.toContain("style=");
});

test("the headings of a page are those that its table of contents leads to", () => {
  for (const { text, headings } of documents("docs")) {
    const html = renderToStaticMarkup(<Prose text={text} />);
    expect(headings.length).toBeGreaterThan(0);
    for (const { id } of headings) expect(html).toContain(`<h2 id="${id}">`);
  }
});

describe("a file", () => {
  test("that says no title is refused, by name", () => {
    expect(() => readDocument("nameless", "Just text")).toThrow(/nameless\.md/);
  });

  test("may speak of the product without knowing its name", () => {
    const { title, text } = readDocument("x", "---\ntitle: \"Using :product:\"\nsummary: s\n---\n:product:");
    expect([title, text]).toEqual([`Using ${product.name}`, product.name]);
  });

  test("counts no heading inside a block of code", () => {
    const { headings } = readDocument(
      "x",
      "---\ntitle: t\nsummary: s\n---\n## One\n```\n## Not one\n```\n### Deeper\n## One\n",
    );
    expect(headings.map(({ id }) => id)).toEqual(["one", "one-1"]);
  });
});
