import { expect, test } from "vitest";

import { fault, isExact, mapped, suggested } from "@/imports/columns";

test("a header in our own words is mapped as it stands", () => {
  expect(suggested(["amount", "Name", " EMAIL ", "company"])).toEqual({
    name: 1,
    email: 2,
    company: 3,
    amount: 0,
  });
});

test("other words for the same are understood", () => {
  expect(suggested(["Full_Name", "E-mail address", "Deal value"])).toEqual({
    name: 0,
    email: 1,
    company: -1,
    amount: 2,
  });
});

test("only the API's own header needs no rewriting", () => {
  expect(isExact(["name", "Email", "company", "amount"])).toBe(true);
  expect(isExact(["email", "name", "company", "amount"])).toBe(false);
  expect(isExact(["name", "email", "company", "amount", "notes"])).toBe(false);
});

test("a mapping needs a name and an address, each from a column of its own", () => {
  expect(fault({ name: 0, email: -1, company: -1, amount: -1 })).toContain("email");
  expect(fault({ name: 0, email: 0, company: -1, amount: -1 })).toContain("same column");
  expect(fault({ name: 0, email: 1, company: -1, amount: -1 })).toBeNull();
});

test("a row is put into the API's order, with nothing where there is nothing", () => {
  const mapping = { name: 2, email: 1, company: -1, amount: 0 };
  expect(mapped(["1.5", "a@b.c", "Ada"], mapping)).toEqual(["Ada", "a@b.c", "", "1.5"]);
  expect(mapped(["1.5"], mapping)).toEqual(["", "", "", "1.5"]);
});
