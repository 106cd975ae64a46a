import type { Route } from "next";
import { redirect } from "next/navigation";
import * as client from "openid-client";

import { configuration } from "@/session/oidc/provider";
import { settings } from "@/session/oidc/settings";
import { signInAddress } from "@/session/session";

/** Sign out at the provider as well, where it has a page for that. */
export async function GET(): Promise<never> {
  const provider = await configuration();
  if (!provider.serverMetadata().end_session_endpoint) redirect(signInAddress());
  const { appUrl } = settings();
  const address = client.buildEndSessionUrl(provider, {
    post_logout_redirect_uri: new URL(signInAddress(), appUrl).href,
  });
  redirect(address.href as Route);
}
