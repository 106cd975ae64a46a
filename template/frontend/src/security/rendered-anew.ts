import path from "node:path";

import RenderResult from "next/dist/server/render-result";
import { AppPageRouteModule } from "next/dist/server/route-modules/app-page/module.compiled";

import { knownScripts } from "./known-scripts.mjs";
import { sealPage } from "./seal-page.mjs";

let known: ReturnType<typeof knownScripts> | undefined;

/**
 * Seal what is rendered anew where the host keeps the pages. Vercel does, and its functions have no
 * cache of Next's, so that what they render does not come past the cache handler.
 *
 * Next has no place for that. Here stands between a page and the answer, or the host's own cache; it has the
 * document, what React's server rendered, and the headers.
 */
export function sealRenderedAnew(): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is called on the module that it is asked of
  const { handleResponse } = AppPageRouteModule.prototype;
  AppPageRouteModule.prototype.handleResponse = async function (context) {
    const entry = await handleResponse.call(this, context);
    // Without a key, it was rendered for one request and has a nonce.
    if (!context.isMinimalMode || context.cacheKey === null || entry === null || "error" in entry) return entry;
    const page = entry.value;
    if (page === null || !("rscData" in page)) return entry;
    known ??= knownScripts(path.join(process.cwd(), ".next"));
    const { html, headers } = sealPage(context.cacheKey, page.html.toUnchunkedString(), page, known);
    return { ...entry, value: { ...page, headers, html: RenderResult.fromStatic(html, "text/html; charset=utf-8") } };
  };
}
