import type { PolicyAdditions } from "@/security/policy.mjs";

/** What the sign-in provider's code in the browser needs beyond the product's own policy. */
export const contentSecurity: PolicyAdditions = {};
