import { expect, test } from "vitest";

import { changes } from "@/audit/changes";

test("only what differs is a change", () => {
  expect(changes({ name: "Ada", amount: "1" }, { name: "Grace", amount: "1" })).toEqual([
    { field: "name", before: "Ada", after: "Grace" },
  ]);
});

test("a row that came, and one that went, changed as a whole", () => {
  expect(changes(null, { id: 1, name: "Ada" })).toHaveLength(2);
  expect(changes({ name: "Ada" }, null)).toEqual([{ field: "name", before: "Ada", after: null }]);
});

test("what is no text is told as JSON, and nothing as nothing", () => {
  expect(changes({ scopes: ["a"], gone: null }, { scopes: ["a", "b"], gone: null })).toEqual([
    { field: "scopes", before: '["a"]', after: '["a","b"]' },
  ]);
});
