/** The provider, and this product as it knows it. */
export function settings() {
  const { OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, OIDC_AUDIENCE, OIDC_SCOPE, OIDC_PROMPT, APP_URL } =
    process.env;
  if (!OIDC_ISSUER || !OIDC_CLIENT_ID || !APP_URL) {
    throw new Error("Set OIDC_ISSUER, OIDC_CLIENT_ID and APP_URL for the front end.");
  }
  return {
    issuer: new URL(OIDC_ISSUER),
    clientId: OIDC_CLIENT_ID,
    // None where the provider knows the product as a public client: PKCE protects the code anyway.
    clientSecret: OIDC_CLIENT_SECRET ?? null,
    // The API that the access token is for; providers ask for it under one of two names.
    audience: OIDC_AUDIENCE ?? null,
    scope: OIDC_SCOPE ?? "openid profile email offline_access",
    // Some providers issue a refresh token only to who is asked for consent: OpenID Connect Core, 11.
    prompt: OIDC_PROMPT ?? null,
    appUrl: new URL(APP_URL),
  };
}

/** What the cookies are encrypted with: at least 32 characters that nobody else knows. */
export function sessionSecret(): string {
  const secret = process.env.SESSION_SECRET ?? "";
  if (secret.length < 32) {
    throw new Error("Set SESSION_SECRET for the front end to 32 random characters or more.");
  }
  return secret;
}
