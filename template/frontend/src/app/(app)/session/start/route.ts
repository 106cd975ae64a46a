import { redirect } from "next/navigation";
import type { NextRequest } from "next/server";

import { organizations } from "@/organizations/choice";
import { safeReturn } from "@/session/session";

/** Everybody arrives here after signing in: where one works is settled, then the page is shown. */
export async function GET(request: NextRequest): Promise<never> {
  const to = safeReturn(request.nextUrl.searchParams.get("to"));
  const instead = await organizations.start();
  // Who follows an invitation belongs nowhere yet.
  redirect(instead && !to.startsWith("/invitations") ? instead : to);
}
