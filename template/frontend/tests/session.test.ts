import { expect, test } from "vitest";

import { safeReturn, signInAddress } from "@/session/session";

test.each(["/app", "/app/contacts", "/app/contacts?q=ada+l%C3%B8v&cursor=1", "/invitations/accept"])(
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
  `/app/contacts?q=${"a".repeat(1000)}`,
])("no link leads from the sign-in page to %s", (to) => {
  const safe = safeReturn(to);
  expect(new URL(safe, "https://app.example").origin).toBe("https://app.example");
  expect(new URL(safe, "https://app.example").pathname).toMatch(/^\/app/);
});

test("the sign-in page is told what went wrong, and where somebody wanted to go", () => {
  expect(signInAddress()).toBe("/sign-in");
  expect(signInAddress("expired", "/app")).toBe("/sign-in?error=expired");
  const { searchParams } = new URL(signInAddress("expired", "/app/contacts?q=a&b=c"), "https://app.example");
  expect(Object.fromEntries(searchParams)).toEqual({ error: "expired", to: "/app/contacts?q=a&b=c" });
  expect(signInAddress(undefined, "//evil.example")).toBe("/sign-in");
});
