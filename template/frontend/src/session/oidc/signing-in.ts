import type { Route } from "next";

/** What is remembered of a sign-in while the browser is at the provider. */
export interface SigningIn {
  verifier: string;
  state: string;
  nonce: string;
  to: Route;
}
