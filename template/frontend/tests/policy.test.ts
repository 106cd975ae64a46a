import { CspEvaluator, STRICTCSP_CHECKS } from "csp_evaluator/dist/evaluator.js";
import { Type } from "csp_evaluator/dist/finding.js";
import { CspParser } from "csp_evaluator/dist/parser.js";
import { expect, test } from "vitest";

import { hashPolicy, newNonce, noncePolicy } from "@/security/policy.mjs";

/** Advice for browsers from before 2018, which would weaken nothing but says `unsafe-inline`. */
const forOldBrowsers = [Type.UNSAFE_INLINE_FALLBACK, Type.ALLOWLIST_FALLBACK];

function findings(policy: string): string[] {
  const { csp } = new CspParser(policy);
  return [
    ...new CspEvaluator(csp).evaluate(),
    ...new CspEvaluator(csp)
      .evaluate([], STRICTCSP_CHECKS)
      .filter(({ type }) => !forOldBrowsers.includes(type)),
  ].map(({ directive, description }) => `${directive}: ${description}`);
}

test("Google's evaluator has nothing to say against either policy", () => {
  expect(findings(noncePolicy(newNonce()))).toEqual([]);
  expect(findings(hashPolicy(["sha256-jxwhFZ6Z2MJrlVB3ZLGmzcmVhjHaXvXHOhpZPRu9P1s="]))).toEqual([]);
  expect(findings("script-src 'unsafe-inline'")).not.toEqual([]);
});

test("neither allows inline code, evaluation or another host", () => {
  for (const policy of [noncePolicy(newNonce()), hashPolicy(["sha256-x"])]) {
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  }
});

test("no two nonces are the same", () => {
  expect(new Set(Array.from({ length: 100 }, newNonce)).size).toBe(100);
});

test("a provider's needs widen the directives that it names, and only those", () => {
  const plain = noncePolicy("n").split("; ");
  const widened = noncePolicy("n", {
    "connect-src": ["https://id.example.com"],
    "frame-src": ["https://id.example.com"],
  }).split("; ");
  expect(widened.filter((part) => !plain.includes(part))).toEqual([
    "connect-src 'self' https://id.example.com",
    "frame-src https://id.example.com",
  ]);
});

test("only a provider that cannot live with Trusted Types is spared them", () => {
  expect(noncePolicy("n")).toContain("require-trusted-types-for 'script'");
  expect(noncePolicy("n", { trustedTypes: false })).not.toContain("trusted-types");
});
