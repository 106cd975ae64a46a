/**
 * Sealing: a cached document gets a policy that names its own scripts by hash, and no other.
 *
 * Only what Next itself writes is named. Whatever else stands between script tags, from a blog post
 * or a name that someone typed, stays without a hash, and the browser does not run it.
 */

import { createHash } from "node:crypto";

import { hashPolicy } from "./policy.mjs";

/**
 * What the build knows about its own scripts.
 *
 * @typedef {object} KnownScripts
 * @property {ReadonlySet<string>} inline Scripts that start the page, to the letter.
 * @property {ReadonlyMap<string, string>} integrity Of each file of the build, by its address.
 */

/**
 * @typedef {object} Sealed
 * @property {string} html The document; each script of the build in it says its integrity.
 * @property {string} policy The policy that goes with exactly this document.
 * @property {readonly string[]} unknown Scripts that the policy blocks.
 */

// What HTML takes for a script element, apart from comments. Where an author's markup deceives this,
// a script of Next's is not recognised and the page stays dead: never is a foreign one let in.
const SCRIPT = /<script\b([^>]*)>([\s\S]*?)<\/script\s*>/gi;
const LOADS = /^ src="([^"?]+)"(?: async="")?(?: integrity="([^"]+)")?(?: noModule="")?(?: async="")?$/;
const FLIGHT = /^self\.__next_f\.push\((\[[\s\S]*\])\)$/;
const FLIGHT_START = "(self.__next_f=self.__next_f||[]).push([0])";

/**
 * Seal a document.
 *
 * @param {string} html
 * @param {Uint8Array} flight what React's server rendered; the document must repeat it in order
 * @param {KnownScripts} known
 * @returns {Sealed}
 */
export function seal(html, flight, known) {
  /** @type {Set<string>} */
  const hashes = new Set();
  /** @type {string[]} */
  const unknown = [];
  let said = 0;

  const sealed = html.replaceAll(SCRIPT, (element, /** @type {string} */ attributes, /** @type {string} */ code) => {
    if (attributes.includes("src=")) {
      const [, address = "", claimed] = LOADS.exec(attributes) ?? [];
      const integrity = known.integrity.get(address);
      if (integrity === undefined || code !== "" || (claimed ?? integrity) !== integrity) {
        unknown.push(element);
        return element;
      }
      // Browsers without modules are the only ones that would load this, and know no such policy.
      if (!attributes.includes("noModule")) hashes.add(integrity);
      return claimed ? element : `<script${attributes} integrity="${integrity}"></script>`;
    }
    // A block of data for search engines: no browser runs it.
    if (attributes === ' type="application/ld+json"') return element;

    const repeated = flightOf(code);
    if (repeated && startsAt(flight, repeated, said)) {
      said += repeated.length;
    } else if (code !== FLIGHT_START && !known.inline.has(code)) {
      unknown.push(element);
      return element;
    }
    hashes.add(hashOf(code));
    return element;
  });
  return { html: sealed, policy: hashPolicy([...hashes]), unknown };
}

/**
 * The hash by which a policy names a script.
 *
 * @param {string} code
 */
export function hashOf(code) {
  return `sha256-${createHash("sha256").update(code).digest("base64")}`;
}

/**
 * The part of the rendered page that a script hands on to React, if it does nothing else.
 *
 * @param {string} code
 * @returns {Buffer | undefined}
 */
function flightOf(code) {
  const [, list] = FLIGHT.exec(code) ?? [];
  if (list === undefined) return undefined;
  try {
    const [kind, chunk, ...more] = /** @type {unknown[]} */ (JSON.parse(list));
    if (typeof chunk !== "string" || more.length) return undefined;
    // 1 is text, 3 is what text cannot hold.
    if (kind === 1) return Buffer.from(chunk, "utf8");
    return kind === 3 ? Buffer.from(chunk, "base64") : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {Uint8Array} whole
 * @param {Buffer} part
 * @param {number} offset
 */
function startsAt(whole, part, offset) {
  return part.equals(whole.subarray(offset, offset + part.length));
}
