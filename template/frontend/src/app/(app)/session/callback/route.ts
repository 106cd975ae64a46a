import { cookies } from "next/headers";
import { redirect } from "next/navigation";
import type { NextRequest } from "next/server";
import * as client from "openid-client";

import { cookieOptions, SIGNING_IN, written } from "@/session/oidc/cookies";
import { configuration, forTheApi, tokensOf } from "@/session/oidc/provider";
import { open } from "@/session/oidc/sealed";
import { settings } from "@/session/oidc/settings";
import type { SigningIn } from "@/session/oidc/signing-in";
import { signInAddress, startAddress } from "@/session/session";

/** Where the provider sends the browser back: the code is exchanged for tokens, once. */
export async function GET(request: NextRequest): Promise<never> {
  const jar = await cookies();
  const begun = await open<SigningIn>(SIGNING_IN, jar.get(SIGNING_IN)?.value);
  jar.set({ ...cookieOptions, name: SIGNING_IN, value: "", maxAge: 0 });
  if (!begun) redirect(signInAddress("lost"));

  // As the provider addressed it: behind a proxy the request's own host is another.
  const address = new URL(`/session/callback${request.nextUrl.search}`, settings().appUrl);
  let answer;
  try {
    answer = await client.authorizationCodeGrant(
      await configuration(),
      address,
      { pkceCodeVerifier: begun.verifier, expectedState: begun.state, expectedNonce: begun.nonce },
      forTheApi(),
    );
  } catch (error) {
    console.error("sign-in failed", error instanceof Error ? error.message : error);
    redirect(signInAddress("refused"));
  }
  for (const cookie of await written(tokensOf(answer))) jar.set({ ...cookieOptions, ...cookie });
  redirect(startAddress(begun.to));
}
