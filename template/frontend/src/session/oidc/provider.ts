import * as client from "openid-client";

import type { Tokens } from "./cookies";
import { settings } from "./settings";

let discovered: Promise<client.Configuration> | undefined;

/** The provider as it describes itself, asked once; again after it could not be reached. */
export function configuration(): Promise<client.Configuration> {
  discovered ??= discover().catch((error: unknown) => {
    discovered = undefined;
    throw error;
  });
  return discovered;
}

async function discover(): Promise<client.Configuration> {
  const { issuer, clientId, clientSecret } = settings();
  const isLoopback = ["127.0.0.1", "localhost"].includes(issuer.hostname);
  return client.discovery(
    issuer,
    clientId,
    undefined,
    clientSecret ? client.ClientSecretPost(clientSecret) : client.None(),
    // Only for a provider on this very machine.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    isLoopback ? { execute: [client.allowInsecureRequests] } : {},
  );
}

/** Parameters that make the provider issue the token for the API. */
export function forTheApi(): Record<string, string> {
  const { audience } = settings();
  return audience ? { audience, resource: audience } : {};
}

export function tokensOf(
  answer: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers,
  before: Tokens | null = null,
): Tokens {
  return {
    access: answer.access_token,
    refresh: answer.refresh_token ?? before?.refresh ?? null,
    expires: Date.now() + (answer.expiresIn() ?? 300) * 1000,
  };
}

// A refresh token that is used twice ends the session at many providers. A page sends several
// requests at once: they share one renewal, and so do those that come with the old cookie just after.
const renewals = new Map<string, Promise<Tokens | null>>();
const SHARED_MILLISECONDS = 30_000;

/** Fresh tokens; null when the provider says that the session is over. */
export function renewed(tokens: Tokens, refresh: string): Promise<Tokens | null> {
  const underWay = renewals.get(refresh);
  if (underWay) return underWay;
  const renewal = ask(tokens, refresh);
  renewals.set(refresh, renewal);
  renewal
    .catch(() => {
      renewals.delete(refresh);
    })
    .finally(() => {
      setTimeout(() => renewals.delete(refresh), SHARED_MILLISECONDS).unref();
    });
  return renewal;
}

async function ask(tokens: Tokens, refresh: string): Promise<Tokens | null> {
  try {
    const answer = await client.refreshTokenGrant(await configuration(), refresh, forTheApi());
    return tokensOf(answer, tokens);
  } catch (error) {
    if (error instanceof client.ResponseBodyError) return null;
    throw error;
  }
}
