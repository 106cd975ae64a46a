import "server-only";

import { createServerClient } from "@supabase/ssr";
import { cookies } from "next/headers";

import { cookieOptions, settings } from "./settings";

/** Supabase in the name of who sends this request. */
export async function client() {
  const jar = await cookies();
  const { url, key } = settings();
  return createServerClient(url, key, {
    cookieOptions,
    cookies: {
      getAll: () => jar.getAll(),
      setAll(wanted) {
        try {
          for (const { name, value, options } of wanted) {
            jar.set(name, value, { ...options, ...cookieOptions });
          }
        } catch {
          // While a page is rendered, cookies cannot be set. The proxy renewed the session before.
        }
      },
    },
  });
}
