/**
 * The content security policy: every directive, in one place.
 *
 * A document rendered per request carries a nonce; one that is cached carries the hashes of its own
 * inline scripts, because a nonce in a cache is no secret.
 */

/** Directives of the policy, by name, each with the sources that it allows. */
export type Directives = Record<string, readonly string[]>;

/** What someone else's code in the browser needs: sources for directives that may be widened. */
export type PolicyAdditions = Partial<
  Record<"connect-src" | "frame-src" | "img-src" | "style-src" | "worker-src", readonly string[]>
>;

const development = process.env.NODE_ENV === "development";

/** A base64 nonce of 128 random bits. */
export function newNonce(): string {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
}

/** The policy of a document that is rendered for one request. */
export function noncePolicy(nonce: string, additions: PolicyAdditions = {}): string {
  return written({
    ...directives(additions),
    "script-src": [`'nonce-${nonce}'`, "'strict-dynamic'", ...evaluation],
  });
}

// React's development build rebuilds the server's stacks with eval, and the reloader adds style
// elements. Nothing of this holds in a build.
const evaluation = development ? ["'unsafe-eval'"] : [];
const developmentStyles = development ? ["'unsafe-inline'"] : [];

function directives(additions: PolicyAdditions): Directives {
  const with_ = (name: keyof PolicyAdditions, ...own: string[]) => [
    ...own,
    ...(additions[name] ?? []),
  ];
  return {
    "default-src": ["'none'"],
    "script-src": ["'none'"],
    "style-src": with_("style-src", "'self'", ...developmentStyles),
    "img-src": with_("img-src", "'self'", "data:", "blob:"),
    "font-src": ["'self'"],
    "connect-src": with_("connect-src", "'self'"),
    "manifest-src": ["'self'"],
    "worker-src": with_("worker-src", "'self'"),
    "frame-src": with_("frame-src", "'none'"),
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
  };
}

function written(policy: Directives): string {
  return Object.entries(policy)
    .map(([name, sources]) => {
      const allowed = sources.length > 1 ? sources.filter((source) => source !== "'none'") : sources;
      return `${name} ${allowed.join(" ")}`;
    })
    .join("; ");
}
