/**
 * After `next build`: give every page that was rendered by it the policy of exactly that document, and
 * fail on a script that the build does not know.
 *
 * The server reads the headers from the .meta file beside a page, Vercel from prerender-manifest.json.
 */

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { knownScripts } from "../src/security/known-scripts.mjs";
import { POLICY_HEADER } from "../src/security/seal-page.mjs";
import { seal } from "../src/security/seal.mjs";

/**
 * What a host serves as a file when no page answers, and the pages that these are copies of. Nobody can
 * give a file a header, so that the document says its policy itself.
 */
const FILES = { "404.html": "_not-found", "500.html": "_global-error" };

/**
 * @param {string} folder a build's, `.next`
 * @returns {string[]} what is wrong with it
 */
export function sealBuild(folder) {
  const known = knownScripts(folder);
  const pages = path.join(folder, "server", "app");
  const manifestFile = path.join(folder, "prerender-manifest.json");
  const manifest = /** @type {{ routes: Record<string, { initialHeaders?: Record<string, string> }> }} */ (
    JSON.parse(readFileSync(manifestFile, "utf8"))
  );
  /** @type {string[]} */
  const problems = [];

  for (const file of readdirSync(pages, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".html")) continue;
    const name = file.slice(0, -".html".length);
    const metaFile = path.join(pages, `${name}.meta`);
    const meta = /** @type {{ headers: Record<string, string> }} */ (
      JSON.parse(readFileSync(metaFile, "utf8"))
    );
    const flight = readFileSync(path.join(pages, `${name}.rsc`));
    const { html, policy, unknown } = seal(
      readFileSync(path.join(pages, file), "utf8"),
      flight,
      known,
    );
    problems.push(...unknown.map((script) => `${name}: ${script.slice(0, 300)}`));

    meta.headers[POLICY_HEADER] = policy;
    writeFileSync(path.join(pages, file), html);
    writeFileSync(metaFile, JSON.stringify(meta));
    const route = manifest.routes[name === "index" ? "/" : `/${name.replaceAll(path.sep, "/")}`];
    if (route) route.initialHeaders = { ...route.initialHeaders, [POLICY_HEADER]: policy };
  }
  writeFileSync(manifestFile, JSON.stringify(manifest));

  for (const [name, page] of Object.entries(FILES)) {
    const file = path.join(folder, "server", "pages", name);
    if (!existsSync(file)) continue;
    const document = readFileSync(file, "utf8").replace(/<meta http-equiv="content-security-policy"[^>]*>/, "");
    const { html, policy, unknown } = seal(document, readFileSync(path.join(pages, `${page}.rsc`)), known);
    problems.push(...unknown.map((script) => `${name}: ${script.slice(0, 300)}`));
    // Who may frame it cannot be said in a document; X-Frame-Options says it.
    const said = policy.replace("; frame-ancestors 'none'", "");
    writeFileSync(file, html.replace("<head>", `<head><meta http-equiv="${POLICY_HEADER}" content="${said}"/>`));
  }
  return problems;
}

if (process.argv[1] === import.meta.filename) {
  // `next build` copied the pages for the standalone server before they were sealed.
  const problems = [".next", ".next/standalone/.next"].filter((folder) => existsSync(folder)).flatMap(sealBuild);
  if (problems.length) {
    console.error("Scripts that the build does not know, which the browser would block:");
    for (const problem of new Set(problems)) console.error(`  ${problem}`);
    console.error("Load them from a file with next/script, or leave them out.");
    process.exit(1);
  }
}
