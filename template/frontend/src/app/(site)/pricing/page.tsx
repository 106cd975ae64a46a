import { Check } from "lucide-react";
import type { Metadata } from "next";

import { classNames } from "@/class-names";
import { PageHead } from "@/components/site/page-head";
import { Badge } from "@/components/ui/badge";
import { buttonLook } from "@/components/ui/button";
import { application } from "@/site/pages";
import { everyPlan, plans } from "@/site/plans";

export const metadata: Metadata = {
  title: "Pricing",
  description: "What each plan costs, and what every plan includes.",
  alternates: { canonical: "/pricing" },
};

export default function PricingPage() {
  return (
    <>
      <PageHead title="Pay for size, not for safety">
        Plans differ in how much they hold. How your data is kept apart, recorded and protected is the same
        in all of them.
      </PageHead>
      <ul className="mx-auto grid max-w-6xl gap-6 px-4 sm:px-6 lg:grid-cols-3">
        {plans.map(({ name, price, per, summary, points, highlighted }) => (
          <li
            key={name}
            className={classNames(
              "grid content-start gap-6 rounded-card border border-line bg-surface p-7 shadow-card",
              highlighted && "border-accent ring-1 ring-accent",
            )}
          >
            <div className="grid gap-2">
              <h2 className="flex items-center justify-between text-lg font-semibold">
                {name}
                {highlighted ? <Badge tone="accent">Recommended</Badge> : null}
              </h2>
              <p className="text-sm text-muted">{summary}</p>
              <p className="pt-3">
                <span className="text-4xl font-semibold tracking-tight">{price}</span>{" "}
                <span className="text-sm text-muted">{per}</span>
              </p>
            </div>
            <a
              href={application}
              className={buttonLook({ variant: highlighted ? "primary" : "secondary" })}
            >
              Choose {name}
            </a>
            <Points points={points} />
          </li>
        ))}
      </ul>
      <section aria-labelledby="every" className="mx-auto max-w-4xl px-4 pt-20 sm:px-6">
        <h2 id="every" className="pb-8 text-2xl font-semibold tracking-tight">
          In every plan
        </h2>
        <div className="[&>ul]:sm:grid-cols-2">
          <Points points={everyPlan} />
        </div>
      </section>
    </>
  );
}

function Points({ points }: { points: readonly string[] }) {
  return (
    <ul className="grid gap-3 text-sm">
      {points.map((point) => (
        <li key={point} className="flex gap-3">
          <Check aria-hidden className="mt-0.5 size-4 shrink-0 text-accent" />
          {point}
        </li>
      ))}
    </ul>
  );
}
