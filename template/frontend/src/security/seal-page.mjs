/**
 * Sealing one page of a cache: its document, and the header that goes with it.
 */

import { seal } from "./seal.mjs";

export const POLICY_HEADER = "content-security-policy";

/**
 * What there is to see of a page in a cache.
 *
 * @typedef {{
 *   rscData?: Uint8Array | undefined,
 *   headers?: import("node:http").OutgoingHttpHeaders | undefined,
 * }} Page
 */

/**
 * @param {string} address of the page, for whoever reads the log
 * @param {string} document
 * @param {Page} page
 * @param {import("./seal.mjs").KnownScripts} known
 */
export function sealPage(address, document, { rscData, headers }, known) {
  const { html, policy, unknown } = seal(document, rscData ?? new Uint8Array(), known);
  for (const script of unknown) {
    console.error(`${address}: a script that the build does not know stays blocked: ${script.slice(0, 200)}`);
  }
  return { html, headers: { ...headers, [POLICY_HEADER]: policy } };
}
