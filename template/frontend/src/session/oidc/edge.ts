import { unset, type SessionEdge } from "../session";

import { cookieOptions, readTokens, written } from "./cookies";
import { renewed } from "./provider";

/** An access token is renewed when it has less than this left. */
const MARGIN_MILLISECONDS = 60_000;

export const edge: SessionEdge = {
  missingSettings: () => unset("OIDC_ISSUER", "OIDC_CLIENT_ID", "APP_URL", "SESSION_SECRET"),

  // The browser goes to the provider by following a link: no page loads anything from there.
  contentSecurity: () => ({}),

  async renew(request, _event, respond) {
    const tokens = await readTokens(request.cookies);
    // Without a refresh token, the session lasts as long as the access token does: the API says when.
    if (!tokens?.refresh || tokens.expires - Date.now() > MARGIN_MILLISECONDS) return respond();
    let fresh: typeof tokens | null;
    try {
      fresh = await renewed(tokens, tokens.refresh);
    } catch {
      // The provider cannot be reached. The token may be good for a little yet: the API decides.
      return respond();
    }
    const cookies = await written(fresh);
    for (const { name, value } of cookies) {
      if (value) request.cookies.set(name, value);
      else request.cookies.delete(name);
    }
    const response = respond();
    for (const cookie of cookies) response.cookies.set({ ...cookieOptions, ...cookie });
    return response;
  },
};
