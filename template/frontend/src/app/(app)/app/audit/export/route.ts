import type { NextRequest } from "next/server";

import { apiUrl, credentials } from "@/api";
import { isFromAnotherSite } from "@/api/same-origin";
import { filtersOf, query } from "@/audit/filters";

const PASSED_ON = ["Content-Type", "Content-Disposition"];

/** The audit trail as a file, passed on as it comes; who goes away ends it at the API too. */
export async function GET(request: NextRequest): Promise<Response> {
  // It leaves a record in the trail, which no other site may make somebody write.
  if (isFromAnotherSite(request)) return new Response(null, { status: 403 });
  const asked = request.nextUrl.searchParams;
  const wanted = new URLSearchParams({
    ...query(filtersOf((name) => asked.get(name)?.trim() ?? "")),
    format: asked.get("format") ?? "ndjson",
  });
  const answer = await fetch(`${apiUrl()}/api/v1/audit-events/export?${wanted.toString()}`, {
    headers: await credentials(),
    cache: "no-store",
    signal: request.signal,
  });
  if (!answer.ok) return new Response(null, { status: answer.status });
  const headers = new Headers({ "Cache-Control": "no-store" });
  for (const name of PASSED_ON) {
    const value = answer.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(answer.body, { headers });
}
