import { createHash } from "node:crypto";

/** What a policy must name for a document's scripts to run, worked out from the document alone. */
export function needed(html: string): Set<string> {
  const hashes = [...html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)].flatMap(
    ([, attributes = "", code = ""]) => {
      if (attributes.includes("noModule")) return [];
      const [, integrity] = / integrity="([^"]+)"/.exec(attributes) ?? [];
      if (integrity) return [integrity];
      return [`sha256-${createHash("sha256").update(code).digest("base64")}`];
    },
  );
  return new Set(hashes);
}

export function named(policy: string): Set<string> {
  return new Set([...policy.matchAll(/'(sha256-[^']+)'/g)].map(([, hash = ""]) => hash));
}
