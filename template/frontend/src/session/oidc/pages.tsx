import "server-only";

import { cookies } from "next/headers";
import * as client from "openid-client";

import { Alert } from "@/components/ui/alert";
import { buttonLook } from "@/components/ui/button";

import type { SessionPages } from "../session";

import { cookieOptions, readTokens, written } from "./cookies";
import { configuration } from "./provider";

export const pages: SessionPages = {
  async token() {
    return (await readTokens(await cookies()))?.access ?? null;
  },

  SignIn: ({ to, problem }) => (
    <div className="grid gap-4">
      {problem ? <Alert tone="danger">{problem}</Alert> : null}
      {/* A link, because the policy lets no form lead to another site; and a whole load. */}
      <a href={`/session/sign-in?to=${encodeURIComponent(to)}`} className={buttonLook({ size: "large" })}>
        Continue to sign in
      </a>
    </div>
  ),

  async signOut() {
    const jar = await cookies();
    const tokens = await readTokens(jar);
    for (const cookie of await written(null)) jar.set({ ...cookieOptions, ...cookie });
    if (tokens?.refresh) {
      try {
        await client.tokenRevocation(await configuration(), tokens.refresh);
      } catch {
        // The provider cannot revoke, or cannot be reached: the token is gone from here all the same.
      }
    }
    return "/session/end";
  },

  Shell: ({ children }) => children,
  accountUrl: null,
};
