/**
 * Next's own cache of rendered pages, with one thing added: whatever goes in, or comes out without,
 * carries the content security policy of exactly that document.
 */

import path from "node:path";

import fileSystemCache from "next/dist/server/lib/incremental-cache/file-system-cache.js";

import { knownScripts } from "./known-scripts.mjs";
import { POLICY_HEADER, sealPage } from "./seal-page.mjs";

// Next loads this file as it is, and compiles it into pages as well. The two differ in what a CommonJS
// module's default export is.
const FileSystemCache = /** @type {typeof fileSystemCache} */ (
  "default" in fileSystemCache ? fileSystemCache.default : fileSystemCache
);

/**
 * What there is to see of an entry; only pages have all of it.
 *
 * @typedef {import("./seal-page.mjs").Page & { kind: string, html?: unknown }} Entry
 */

export default class SealingCache extends FileSystemCache {
  /** @type {import("./seal.mjs").KnownScripts | undefined} */
  known;

  /** @param {ConstructorParameters<typeof FileSystemCache>[0]} context */
  constructor(context) {
    super(context);
    // Unset where the proxy makes one; it caches no pages.
    this.server = context.serverDistDir;
  }

  /**
   * @override
   * @type {InstanceType<typeof FileSystemCache>["get"]}
   */
  async get(...parameters) {
    const entry = await super.get(...parameters);
    if (entry?.value) this.seal(parameters[0], entry.value);
    return entry;
  }

  /**
   * @override
   * @type {InstanceType<typeof FileSystemCache>["set"]}
   */
  async set(key, page, context) {
    if (page) this.seal(key, page);
    await super.set(key, page, context);
  }

  /**
   * @param {string} key
   * @param {Entry} page
   */
  seal(key, page) {
    if (page.kind !== "APP_PAGE" || page.headers?.[POLICY_HEADER] || typeof page.html !== "string") return;
    this.known ??= knownScripts(path.dirname(this.server));
    Object.assign(page, sealPage(key, page.html, page, this.known));
  }
}
