import { CircleAlert, CircleCheck, CircleHelp } from "lucide-react";
import type { Metadata } from "next";

import { classNames } from "@/class-names";
import { PageHead } from "@/components/site/page-head";
import { product } from "@/product";
import { askHealth, summary, type Condition } from "@/site/health";

export const metadata: Metadata = {
  title: "Status",
  description: `Whether ${product.name} works right now.`,
  alternates: { canonical: "/status" },
};

/** Rendered anew at most every so many seconds, whoever asks how often. */
export const revalidate = 15;

const told: Readonly<Record<Condition, string>> = {
  working: "Everything works",
  failing: "Something does not work",
  unknown: "We are looking",
};

const looks = {
  working: { label: "Works", Icon: CircleCheck, className: "text-accent-ink" },
  failing: { label: "Does not work", Icon: CircleAlert, className: "text-danger" },
  unknown: { label: "No answer", Icon: CircleHelp, className: "text-muted" },
} as const;

export default async function StatusPage() {
  const health = await askHealth(process.env.API_URL ?? "http://127.0.0.1:8000");
  const clock = new Intl.DateTimeFormat("en", {
    dateStyle: "medium",
    timeStyle: "long",
    timeZone: "UTC",
  });
  return (
    <>
      <PageHead title={told[summary(health)]}>
        Last looked at <time dateTime={health.at.toISOString()}>{clock.format(health.at)}</time>. This page
        looks again when someone reads it, at most every {revalidate} seconds.
      </PageHead>
      <ul className="mx-auto max-w-2xl divide-y divide-line overflow-hidden rounded-card border border-line bg-surface shadow-card max-sm:mx-4">
        {health.parts.map(({ name, condition }) => {
          const { label, Icon, className } = looks[condition];
          return (
            <li key={name} className="flex items-center justify-between gap-4 px-6 py-4">
              <span className="font-medium">{name}</span>
              <span className={classNames("flex items-center gap-2 text-sm", className)}>
                <Icon aria-hidden className="size-4" />
                {label}
              </span>
            </li>
          );
        })}
      </ul>
    </>
  );
}
