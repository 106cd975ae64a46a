import { NextResponse, type NextFetchEvent, type NextRequest } from "next/server";

import { newNonce, noncePolicy } from "@/security/policy.mjs";
import { edge } from "@/session/edge";

/**
 * Every document that is rendered for one request gets a policy with a nonce of its own, and a
 * session that was renewed if it was about to end.
 *
 * Next reads the nonce from the request's header and writes it on each script that it renders.
 */
export function proxy(request: NextRequest, event: NextFetchEvent): Promise<NextResponse> {
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
  ],
};
