import { expect, test } from "vitest";

import { safeReturn } from "@/session/session";

test.each(["/app", "/app/contacts", "/app/contacts?q=ada&cursor=1", "/invitations/accept"])(
  "one comes back to %s",
  (to) => {
    expect(safeReturn(to)).toBe(to);
  },
);

test.each([
  null,
  "",
  "https://evil.example/app",
  "//evil.example/app",
  "/app//evil.example",
  "/app/../../evil",
  "/\\evil.example",
  "/application",
  "/app\n/evil",
  "javascript:alert(1)",
])("no link leads from the sign-in page to %s", (to) => {
  const safe = safeReturn(to);
  expect(new URL(safe, "https://app.example").origin).toBe("https://app.example");
  expect(new URL(safe, "https://app.example").pathname).toMatch(/^\/app/);
});
