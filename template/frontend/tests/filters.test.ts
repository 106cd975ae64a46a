import { expect, test } from "vitest";

import { filtersOf, query } from "@/audit/filters";

test("filters that are not there are not asked for, and a day begins at midnight", () => {
  const given: Record<string, string> = { table: "contacts", since: "2026-01-31" };
  const asked = filtersOf((name) => given[name] ?? "");
  expect(asked).toEqual({ actor: "", action: "", table: "contacts", since: "2026-01-31" });
  expect(query(asked)).toEqual({ table: "contacts", since: "2026-01-31T00:00:00Z" });
});
