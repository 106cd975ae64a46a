import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { hashOf } from "@/security/seal.mjs";

const SCRIPT = path.resolve("scripts/seal-pages.mjs");
const FLIGHT = 'self.__next_f.push([1,"0:null\\n"])';

let folder: string;

/** As much of a build as the step reads: one page, and what the build says of its own scripts. */
function write(name: string, content: unknown): void {
  const file = path.join(folder, ".next", name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
}

function read(name: string): string {
  return readFileSync(path.join(folder, ".next", name), "utf8");
}

function sealPages() {
  return spawnSync(process.execPath, [SCRIPT], { cwd: folder, encoding: "utf8" });
}

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "build-"));
  write("build-manifest.json", {});
  write("server/subresource-integrity-manifest.json", {});
  write("prerender-manifest.json", { routes: { "/": {}, "/docs/api": {} } });
  for (const page of ["index", "docs/api"]) {
    write(`server/app/${page}.html`, `<p>Hello</p><script>${FLIGHT}</script>`);
    write(`server/app/${page}.meta`, { headers: { "x-next-cache-tags": "kept" } });
    write(`server/app/${page}.rsc`, "0:null\n");
  }
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

test("every page of a build gets its policy, for the server and for Vercel", () => {
  const { status, stderr } = sealPages();
  expect([status, stderr]).toEqual([0, ""]);
  const manifest = JSON.parse(read("prerender-manifest.json")) as {
    routes: Record<string, { initialHeaders: Record<string, string> }>;
  };
  for (const [page, route] of [
    ["index", "/"],
    ["docs/api", "/docs/api"],
  ] as const) {
    const { headers } = JSON.parse(read(`server/app/${page}.meta`)) as {
      headers: Record<string, string>;
    };
    expect(headers["x-next-cache-tags"]).toBe("kept");
    expect(headers["content-security-policy"]).toContain(`'${hashOf(FLIGHT)}'`);
    expect(manifest.routes[route]?.initialHeaders["content-security-policy"]).toBe(
      headers["content-security-policy"],
    );
  }
});

test("a file that stands for a page says its policy itself, as often as it is sealed", () => {
  write("server/pages/404.html", `<html><head><title>Nothing</title></head><script>${FLIGHT}</script></html>`);
  write("server/app/_not-found.rsc", "0:null\n");
  for (let time = 1; time <= 2; time += 1) {
    expect(sealPages().status).toBe(0);
    const document = read("server/pages/404.html");
    expect(document.match(/<meta http-equiv/g)).toHaveLength(1);
    expect(document).toContain(`<head><meta http-equiv="content-security-policy" content="default-src 'none'; `);
    expect(document).toContain(`'${hashOf(FLIGHT)}'`);
    // Browsers complain of what cannot be said in a document.
    expect(document).not.toContain("frame-ancestors");
  }
});

test("a build with a script that it does not know ends with 1, naming page and script", () => {
  write("server/app/docs/api.html", `<script>alert(1)</script><script>${FLIGHT}</script>`);
  const { status, stderr } = sealPages();
  expect(status).toBe(1);
  expect(stderr).toContain("docs/api: <script>alert(1)</script>");
});

test("sealing twice changes nothing", () => {
  sealPages();
  const before = read("server/app/index.meta");
  expect(sealPages().status).toBe(0);
  expect(read("server/app/index.meta")).toBe(before);
});
