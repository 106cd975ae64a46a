import type { Route } from "next";
import type { NextFetchEvent, NextRequest, NextResponse } from "next/server";
import type { ReactNode } from "react";

import type { PolicyAdditions } from "@/security/policy.mjs";

/**
 * What a sign-in provider is to this product: one folder per provider, with the same three modules.
 * `edge.ts` runs before a page is rendered, `pages.tsx` while it is, and `browser.ts` in the browser.
 * Pages know none of them.
 */

/** Before a page: the session renewed if it is about to end, and what its document may load. */
export interface SessionEdge {
  /** The settings that this server lacks for anybody to sign in, by name. */
  missingSettings(): readonly string[];
  /** What the provider's code in the browser needs at this path, beyond the product's own policy. */
  contentSecurity(path: string): PolicyAdditions;
  /**
   * Renew the session.
   *
   * `respond` makes the response from the request as it is then: change the request's cookies first,
   * and the page sees the renewed session.
   */
  renew(
    request: NextRequest,
    event: NextFetchEvent,
    respond: () => NextResponse,
  ): Promise<NextResponse>;
}

/** Those of these settings that are not set. */
export function unset(...names: readonly string[]): readonly string[] {
  return names.filter((name) => !process.env[name]);
}

/** While a page is rendered, or an action runs. */
export interface SessionPages {
  /** The access token of who is signed in, for the API; null when nobody is. */
  token(): Promise<string | null>;
  /** What the sign-in page shows; `to` is where to go afterwards, `problem` what to tell before. */
  SignIn(props: { to: Route; problem: string | undefined }): Promise<ReactNode> | ReactNode;
  /** End the session, and say where to go: a path of this product. */
  signOut(): Promise<Route>;
  /** What the provider's components need around every page of the application. */
  Shell(props: { children: ReactNode; nonce: string | undefined }): Promise<ReactNode> | ReactNode;
  /** Where people change their name, address and password; null where the product does not know. */
  accountUrl: string | null;
}

/** In a page, before it sends what does not come past the proxy. */
export interface SessionBrowser {
  /** Renew the session if it is about to end, or has; rejected without a network. */
  renew(): Promise<void>;
}

/** Where everybody arrives after signing in, to be shown an organization of theirs. */
export const START: Route = "/session/start";

/** The way there, with where to go afterwards. */
export function startAddress(to: Route): Route {
  return `${START}?to=${encodeURIComponent(to)}` as Route;
}

/** The header in which the proxy tells a page the address that was asked for. */
export const ASKED_FOR = "x-asked-for";

/** The sign-in page, which says what went wrong before, and leads back to where somebody wanted to go. */
export function signInAddress(error?: string, to?: string | null): Route {
  const back = safeReturn(to);
  const query = new URLSearchParams({ ...(error ? { error } : {}), ...(back === HOME ? {} : { to: back }) });
  return (query.size > 0 ? `/sign-in?${query}` : "/sign-in") as Route;
}

const HOME: Route = "/app";
// Whatever carries it in a header has room for this much.
const LONGEST_RETURN = 1000;

/** The path to go to after signing in: one of this product, whatever a link says. */
export function safeReturn(to: string | null | undefined): Route {
  return to &&
    to.length <= LONGEST_RETURN &&
    /^\/(app|invitations)(\/[\w\-./]*)?(\?[\w\-.=&%+]*)?$/.test(to) &&
    !/\/\/|\.\./.test(to)
    ? (to as Route)
    : HOME;
}
