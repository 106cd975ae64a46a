import { redirect } from "next/navigation";
import * as client from "openid-client";

import { configuration } from "@/session/oidc/provider";
import { settings } from "@/session/oidc/settings";

/** Sign out at the provider as well, where it has a page for that. */
export async function GET(): Promise<never> {
  const provider = await configuration();
  if (!provider.serverMetadata().end_session_endpoint) redirect("/sign-in");
  const { appUrl } = settings();
  const address = client.buildEndSessionUrl(provider, {
    post_logout_redirect_uri: new URL("/sign-in", appUrl).href,
  });
  redirect(address.href);
}
