import "server-only";

import { ClerkProvider, SignIn as ClerkSignIn } from "@clerk/nextjs";
import { auth, clerkClient } from "@clerk/nextjs/server";
import { headers } from "next/headers";

import { signInAddress, startAddress, type SessionPages } from "../session";

import { publishableKey, verification } from "./settings";

export const pages: SessionPages = {
  async token() {
    // Not auth(): it only repeats what the proxy found, and an upload does not come past the proxy.
    const sent = new Headers(await headers());
    const request = new Request(`http://${sent.get("host") ?? "localhost"}`, { headers: sent });
    const options = { publishableKey: publishableKey(), ...verification() };
    const state = await (await clerkClient()).authenticateRequest(request, options);
    return state.isAuthenticated ? state.toAuth().getToken() : null;
  },
  SignIn: ({ to }) => (
    <ClerkSignIn
      path="/sign-in"
      withSignUp
      forceRedirectUrl={startAddress(to)}
    />
  ),
  async signOut() {
    const { sessionId } = await auth();
    if (sessionId) await (await clerkClient()).sessions.revokeSession(sessionId);
    return signInAddress();
  },
  Shell: ({ children, nonce }) => (
    <ClerkProvider
      publishableKey={publishableKey()}
      nonce={nonce}
      telemetry={false}
      signInUrl="/sign-in"
      afterSignOutUrl="/sign-in"
    >
      {children}
    </ClerkProvider>
  ),
  accountUrl: "/app/account",
};
