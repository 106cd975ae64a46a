import { expect, test } from "vitest";

import { themeAttribute, themeFrom } from "@/theme/theme";

test("a cookie that says nothing known leaves the colours to the system", () => {
  expect(themeFrom('dark" onload="alert(1)')).toBe("system");
  expect(themeFrom(undefined)).toBe("system");
  expect(themeAttribute("system")).toBeUndefined();
});

test("a chosen theme is the root element's attribute", () => {
  expect(themeAttribute(themeFrom("dark"))).toBe("dark");
});
