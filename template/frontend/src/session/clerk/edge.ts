import { clerkMiddleware } from "@clerk/nextjs/server";

import type { PolicyAdditions } from "@/security/policy.mjs";

import { unset, type SessionEdge } from "../session";

import { frontendApi, publishableKey, verification } from "./settings";

/** Only here are Clerk's own components, which write style sheets into the page. */
const THEIRS = ["/sign-in", "/app/account"];

export const edge: SessionEdge = {
  missingSettings: () => unset("CLERK_PUBLISHABLE_KEY", "CLERK_SECRET_KEY"),

  contentSecurity(path) {
    const api = `https://${frontendApi()}`;
    const additions: PolicyAdditions = {
      // Their scripts write addresses of further ones, and know no Trusted Types.
      trustedTypes: false,
      "connect-src": [api],
      "img-src": ["https://img.clerk.com"],
      "worker-src": ["blob:"],
    };
    if (!THEIRS.some((own) => path === own || path.startsWith(`${own}/`))) return additions;
    return {
      ...additions,
      "style-src": ["'unsafe-inline'"],
      "frame-src": ["https://challenges.cloudflare.com"],
    };
  },

  async renew(request, event, respond) {
    const options = { publishableKey: publishableKey(), ...verification() };
    const response = await clerkMiddleware(() => respond(), options)(request, event);
    return (response ?? respond()) as ReturnType<typeof respond>;
  },
};
