import { NextResponse, type NextFetchEvent, type NextRequest } from "next/server";

import { newNonce, noncePolicy } from "@/security/policy.mjs";
import { edge } from "@/session/edge";

const REALTIME = "/api/v1/realtime";

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
  const additions = edge.contentSecurity(request.nextUrl.pathname);
  const policy = noncePolicy(newNonce(), additions);
  return edge.renew(request, event, () => {
    const headers = new Headers(request.headers);
    headers.set("content-security-policy", policy);
    const response = NextResponse.next({ request: { headers } });
    response.headers.set("content-security-policy", policy);
    return response;
  });
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
 * The dynamic routes and nothing else: a nonce on a cached page would be everybody's. An upload does
 * not come past here, because Next would keep a copy of its first megabytes in memory, and drop the rest.
 */
export const config = {
  matcher: [
    "/app",
    "/app/((?!imports/upload$).+)",
    "/sign-in/:path*",
    "/session/:path*",
    "/invitations/:path*",
    "/api/v1/realtime",
  ],
};
