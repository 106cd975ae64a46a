/**
 * The content security policy: every directive, in one place.
 *
 * A document that is rendered for one request carries a nonce. A document that is cached carries the
 * hashes of its own scripts instead, because a nonce that many readers share is no secret.
 *
 * Plain JavaScript, because Next loads the cache handler, which needs this, without compiling it.
 */

/**
 * What someone else's code in the browser needs beyond this: further sources, by directive.
 * `trustedTypes: false` gives up Trusted Types, for code that was written without them.
 *
 * @typedef {{ trustedTypes?: false } & Partial<
 *   Record<"connect-src" | "frame-src" | "img-src" | "script-src" | "style-src" | "worker-src",
 *     readonly string[]>
 * >} PolicyAdditions
 */

// React rebuilds the server's stacks with eval while one develops, and the reloader adds styles.
// Neither is allowed in a build.
const development = process.env.NODE_ENV === "development";
const developmentScripts = development ? ["'unsafe-eval'"] : [];
const developmentStyles = development ? ["'unsafe-inline'"] : [];

/** A nonce: 128 random bits in base64. */
export function newNonce() {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
}

/**
 * The policy of a document that is rendered for one request.
 *
 * @param {string} nonce
 * @param {PolicyAdditions} additions
 */
export function noncePolicy(nonce, additions = {}) {
  return written([`'nonce-${nonce}'`, ...developmentScripts], additions);
}

/**
 * The policy of a document that is the same for everyone.
 *
 * @param {readonly string[]} hashes of its scripts, as `sha256-…`
 */
export function hashPolicy(hashes) {
  return written(hashes.map((hash) => `'${hash}'`));
}

/**
 * @param {readonly string[]} scripts that may run; what they load may run too
 * @param {PolicyAdditions} additions
 */
function written(scripts, additions = {}) {
  const { trustedTypes = true, ...sources } = additions;
  /** @type {Record<string, readonly string[]>} */
  const directives = {
    "default-src": ["'none'"],
    "script-src": ["'strict-dynamic'", ...scripts],
    "style-src": ["'self'", ...developmentStyles],
    "img-src": ["'self'", "data:", "blob:"],
    "font-src": ["'self'"],
    "connect-src": ["'self'"],
    "manifest-src": ["'self'"],
    "worker-src": ["'self'"],
    "frame-src": [],
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
    ...(trustedTypes && !development
      ? { "require-trusted-types-for": ["'script'"], "trusted-types": ["default"] }
      : {}),
  };
  for (const [name, more] of Object.entries(sources)) {
    directives[name] = [...(directives[name] ?? []), ...more];
  }
  return Object.entries(directives)
    .map(([name, allowed]) => `${name} ${allowed.length ? allowed.join(" ") : "'none'"}`)
    .join("; ");
}
