import { createServerClient } from "@supabase/ssr";

import { unset, type SessionEdge } from "../session";

import { cookieOptions, settings } from "./settings";

export const edge: SessionEdge = {
  missingSettings: () => unset("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "APP_URL"),

  // The browser never talks to Supabase: this server does.
  contentSecurity: () => ({}),

  async renew(request, _event, respond) {
    let response = respond();
    const { url, key } = settings();
    const supabase = createServerClient(url, key, {
      cookieOptions,
      cookies: {
        getAll: () => request.cookies.getAll(),
        setAll(cookies) {
          for (const { name, value } of cookies) request.cookies.set(name, value);
          response = respond();
          for (const { name, value, options } of cookies) {
            // Next sends what the proxy sets once more, without a Max-Age of 0: a date long past stays.
            const over = value ? {} : { expires: new Date(0) };
            response.cookies.set(name, value, { ...options, ...cookieOptions, ...over });
          }
        },
      },
    });
    // Verifies the token, and renews it when it is about to end.
    await supabase.auth.getClaims();
    return response;
  },
};
