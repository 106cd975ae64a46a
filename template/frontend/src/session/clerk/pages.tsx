import "server-only";

import { ClerkProvider, SignIn as ClerkSignIn } from "@clerk/nextjs";
import { auth, clerkClient } from "@clerk/nextjs/server";

import { signInAddress, startAddress, type SessionPages } from "../session";

import { publishableKey } from "./settings";

export const pages: SessionPages = {
  async token() {
    const { getToken } = await auth();
    return getToken();
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
