import type { Route } from "next";
import { cookies } from "next/headers";
import { redirect } from "next/navigation";
import type { NextRequest } from "next/server";
import * as client from "openid-client";

import { cookieOptions, SIGNING_IN } from "@/session/oidc/cookies";
import { configuration, forTheApi } from "@/session/oidc/provider";
import { seal } from "@/session/oidc/sealed";
import { settings } from "@/session/oidc/settings";
import type { SigningIn } from "@/session/oidc/signing-in";
import { safeReturn } from "@/session/session";

const SECONDS = 10 * 60;

/** Send the browser to the provider, and remember in a sealed cookie what must come back. */
export async function GET(request: NextRequest): Promise<never> {
  const { appUrl, scope, prompt } = settings();
  const begun: SigningIn = {
    verifier: client.randomPKCECodeVerifier(),
    state: client.randomState(),
    nonce: client.randomNonce(),
    to: safeReturn(request.nextUrl.searchParams.get("to")),
  };
  const address = client.buildAuthorizationUrl(await configuration(), {
    redirect_uri: new URL("/session/callback", appUrl).href,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(begun.verifier),
    code_challenge_method: "S256",
    state: begun.state,
    nonce: begun.nonce,
    ...(prompt ? { prompt } : {}),
    ...forTheApi(),
  });
  (await cookies()).set({
    ...cookieOptions,
    name: SIGNING_IN,
    value: await seal(SIGNING_IN, begun, SECONDS),
    maxAge: SECONDS,
  });
  redirect(address.href as Route);
}
