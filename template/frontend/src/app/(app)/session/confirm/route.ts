import { redirect } from "next/navigation";
import type { NextRequest } from "next/server";

import { signInAddress, START } from "@/session/session";
import { client } from "@/session/supabase/client";

/** Where the links in Supabase's mails lead: the code is exchanged for a session. */
export async function GET(request: NextRequest): Promise<never> {
  const code = request.nextUrl.searchParams.get("code");
  const supabase = await client();
  const { error } = code
    ? await supabase.auth.exchangeCodeForSession(code)
    : { error: new Error("no code") };
  redirect(error ? signInAddress("link") : START);
}
