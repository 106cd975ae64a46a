/** The publishable key of Clerk's dashboard: read when the server runs, not built in. */
export function publishableKey(): string {
  return process.env.CLERK_PUBLISHABLE_KEY ?? "";
}

/** Clerk's address for this product, which that key holds: `pk_live_<base64 of the host and $>`. */
export function frontendApi(): string {
  const host = atob(publishableKey().split("_")[2] ?? "").replace(/\$$/, "");
  if (!/^[a-z0-9.-]+$/.test(host)) {
    throw new Error("Set CLERK_PUBLISHABLE_KEY (dashboard, API keys) for the front end.");
  }
  return host;
}

/** With the key that Clerk signs with, no request waits for Clerk to fetch it. */
export function verification(): { jwtKey?: string } {
  const jwtKey = process.env.CLERK_JWT_KEY;
  return jwtKey ? { jwtKey } : {};
}
