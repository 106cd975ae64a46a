import { NextResponse, type NextFetchEvent, type NextRequest } from "next/server";

import { newNonce, noncePolicy } from "@/security/policy.mjs";
import { edge } from "@/session/edge";
import { ASKED_FOR } from "@/session/session";

const REALTIME = "/api/v1/realtime";
const PERSONAL = /^\/(app|sign-in|session|invitations)(\/|$)/;
const POLICY_HEADERS = ["content-security-policy", "content-security-policy-report-only"];

/**
 * Every document that is rendered for one request gets a policy with a nonce of its own, and a
 * session that was renewed if it was about to end.
 *
 * Next reads the nonce from the request's header and writes it on each script that it renders.
 */
export function proxy(
  request: NextRequest,
  event: NextFetchEvent,
): NextResponse | Promise<NextResponse> {
  if (request.nextUrl.pathname === REALTIME) return toTheApi(request);
  if (!PERSONAL.test(request.nextUrl.pathname)) return withoutPolicy(request);
  const missing = edge.missingSettings();
  if (missing.length > 0) return withoutSignIn(missing);
  const additions = edge.contentSecurity(request.nextUrl.pathname);
  const policy = noncePolicy(newNonce(), additions);
  return edge.renew(request, event, () => {
    const headers = new Headers(request.headers);
    headers.set("content-security-policy", policy);
    headers.set(ASKED_FOR, request.nextUrl.pathname + request.nextUrl.search);
    const response = NextResponse.next({ request: { headers } });
    response.headers.set("content-security-policy", policy);
    return response;
  });
}

let isSaid = false;

/** Without a provider there are only public pages. The log says why, once. */
function withoutSignIn(missing: readonly string[]): NextResponse {
  if (!isSaid) console.error(`Nobody can sign in: set ${missing.join(" and ")} (frontend/.env.example).`);
  isSaid = true;
  return new NextResponse("Nobody can sign in here yet. The log of this server says why.\n", {
    status: 503,
    headers: {
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "content-type": "text/plain; charset=utf-8",
    },
  });
}

/**
 * What is cached is rendered without a policy in the request, whoever sent one. Next would take a nonce
 * from it and write it into the cache, where it is not the document's, and every reader's page stays dead.
 */
function withoutPolicy(request: NextRequest): NextResponse {
  const headers = new Headers(request.headers);
  for (const name of POLICY_HEADERS) headers.delete(name);
  return NextResponse.next({ request: { headers } });
}

/**
 * Pass the WebSocket on to the API. A proxy in front of both does it in production; here, because
 * Next's own rewrites are fixed when it is built, and the API's address is not known then.
 */
function toTheApi(request: NextRequest): NextResponse {
  const { pathname, search } = request.nextUrl;
  return NextResponse.rewrite(new URL(pathname + search, process.env.API_URL ?? "http://127.0.0.1:8000"));
}

/**
 * The dynamic routes, where a nonce is one reader's alone, and what comes with a policy of its own. An
 * upload does not come past here, because Next would keep a copy of its first megabytes in memory, and drop the rest.
 */
export const config = {
  matcher: [
    "/app",
    "/app/((?!imports/upload$).+)",
    "/sign-in/:path*",
    "/session/:path*",
    "/invitations/:path*",
    "/api/v1/realtime",
    {
      source: "/((?!app/imports/upload$).*)",
      has: [{ type: "header", key: "content-security-policy" }],
    },
    {
      source: "/((?!app/imports/upload$).*)",
      has: [{ type: "header", key: "content-security-policy-report-only" }],
    },
  ],
};
