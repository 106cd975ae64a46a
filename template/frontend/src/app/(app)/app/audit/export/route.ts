import type { NextRequest } from "next/server";

import { file } from "@/api/file";
import { isFromAnotherSite } from "@/api/same-origin";
import { filtersOf, query } from "@/audit/filters";

/** The audit trail as a file. */
export async function GET(request: NextRequest): Promise<Response> {
  // It leaves a record in the trail, which no other site may make somebody write.
  if (isFromAnotherSite(request)) return new Response(null, { status: 403 });
  const asked = request.nextUrl.searchParams;
  const wanted = new URLSearchParams({
    ...query(filtersOf((name) => asked.get(name)?.trim() ?? "")),
    format: asked.get("format") ?? "ndjson",
  });
  return file(`audit-events/export?${wanted.toString()}`, request.signal);
}
