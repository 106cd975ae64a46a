import "server-only";

/**
 * Whether a request comes from a page of this product. Next checks server actions itself; route
 * handlers that change something ask here.
 */
export function isSameOrigin(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site === "same-origin";
  const origin = request.headers.get("origin");
  const host = request.headers.get("x-forwarded-host") ?? request.headers.get("host");
  return origin !== null && URL.canParse(origin) && new URL(origin).host === host;
}

/** Whether a link or a page of another site leads here; an address that somebody typed is nobody's. */
export function isFromAnotherSite(request: Request): boolean {
  return ["cross-site", "same-site"].includes(request.headers.get("sec-fetch-site") ?? "");
}
