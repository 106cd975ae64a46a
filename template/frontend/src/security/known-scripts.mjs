import { readFileSync } from "node:fs";
import path from "node:path";

import { themeScript } from "../theme/script.mjs";

/**
 * What the build in a folder wrote about its own scripts.
 *
 * @param {string} folder the build's, `.next`
 * @returns {import("./seal.mjs").KnownScripts}
 */
export function knownScripts(folder) {
  const build = /** @type {{ pagesChunkGroupBootstrapParams?: Record<string, unknown>, chunkLoadingGlobal?: string }} */ (
    JSON.parse(readFileSync(path.join(folder, "build-manifest.json"), "utf8"))
  );
  const integrity = /** @type {Record<string, string>} */ (
    JSON.parse(readFileSync(path.join(folder, "server/subresource-integrity-manifest.json"), "utf8"))
  );
  const loader = `globalThis[${JSON.stringify(build.chunkLoadingGlobal ?? "TURBOPACK")}]`;
  const starts = Object.values(build.pagesChunkGroupBootstrapParams ?? {}).map(
    (parameters) => `(${loader} || (${loader} = [])).push(${JSON.stringify(parameters)});`,
  );
  return {
    inline: new Set([themeScript, ...starts]),
    integrity: new Map(Object.entries(integrity).map(([file, hash]) => [`/_next/${file}`, hash])),
  };
}
