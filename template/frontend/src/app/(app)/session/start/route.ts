import type { NextRequest } from "next/server";

import { arrive } from "@/session/arrive";
import { safeReturn } from "@/session/session";

/** Where a provider's own pages send everybody after signing in. */
export function GET(request: NextRequest): Promise<never> {
  return arrive(safeReturn(request.nextUrl.searchParams.get("to")));
}
