import { NextResponse, type NextRequest } from "next/server";

import { newNonce, noncePolicy } from "@/security/policy.mjs";
import { contentSecurity } from "@/session/content-security";

/**
 * Every document that is rendered for one request gets a policy with a nonce of its own.
 *
 * Next reads the nonce from the request's header and writes it on each script that it renders.
 */
export function proxy(request: NextRequest): NextResponse {
  const policy = noncePolicy(newNonce(), contentSecurity);
  const headers = new Headers(request.headers);
  headers.set("content-security-policy", policy);

  const response = NextResponse.next({ request: { headers } });
  response.headers.set("content-security-policy", policy);
  return response;
}

/** The dynamic routes and nothing else: a nonce on a cached page would be everybody's. */
export const config = { matcher: ["/app/:path*", "/sign-in/:path*", "/session/:path*"] };
