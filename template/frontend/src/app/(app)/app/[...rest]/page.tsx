import { notFound } from "next/navigation";

/**
 * Every address under /app that no page has. Without it Next would answer with a page that was
 * rendered at build time, whose scripts do not know the nonce that the proxy puts into the policy.
 */
export default function UnknownPage(): never {
  notFound();
}
