import { CircleCheck, FileSpreadsheet, History, KeyRound, Upload, Users } from "lucide-react";

import { product } from "@/product";

import { Mark } from "./mark";

const people = [
  ["Wangari Maathai", "Green Belt", "1,250.00"],
  ["Grace Hopper", "Navy", "840.00"],
  ["Ada Lovelace", "Analytical", "2,310.50"],
  ["Tu Youyou", "Academy", "615.75"],
] as const;

const pages = [
  ["Contacts", Users],
  ["Imports", Upload],
  ["Audit trail", History],
  ["API keys", KeyRound],
] as const;

/** How tall each day's bar is, of 40; and how much of it was rejected. */
const days = [
  [14, 1],
  [22, 2],
  [18, 0],
  [31, 3],
  [26, 1],
  [36, 2],
  [29, 1],
] as const;

/** The product at work, drawn with the product's own colours: it follows the theme. */
export function ProductPicture() {
  return (
    <div
      role="img"
      aria-label={`${product.name}: a table of contacts, an import in progress, and the record of a change`}
      className="relative mx-auto max-w-5xl"
    >
      <div
        aria-hidden
        className="grid overflow-hidden rounded-card border border-line bg-surface text-left text-xs shadow-float sm:grid-cols-[11rem_1fr]"
      >
        <div className="hidden content-start gap-1 border-r border-line bg-sunken p-3 sm:grid">
          <p className="flex items-center gap-2 px-2 pb-3 font-semibold">
            <Mark className="size-5" />
            {product.name}
          </p>
          {pages.map(([label, Icon], index) => (
            <p
              key={label}
              className={
                index === 0
                  ? "flex items-center gap-2 rounded-md bg-accent-soft px-2 py-1.5 font-medium text-accent-ink"
                  : "flex items-center gap-2 px-2 py-1.5 text-muted"
              }
            >
              <Icon className="size-3.5" />
              {label}
            </p>
          ))}
        </div>
        <div className="grid gap-4 p-4 sm:p-5 lg:grid-cols-[1.5fr_1fr]">
          <Contacts />
          <div className="grid content-start gap-4">
            <Import />
            <Change />
          </div>
        </div>
      </div>
    </div>
  );
}

function Contacts() {
  return (
    <div className="overflow-hidden rounded-lg border border-line">
      <p className="flex items-baseline justify-between border-b border-line px-3.5 py-2.5">
        <span className="text-sm font-semibold">Contacts</span>
        <span className="text-faint">48,210</span>
      </p>
      {people.map(([name, company, amount]) => (
        <p
          key={name}
          className="grid grid-cols-[1.4fr_1fr_4rem] gap-3 border-b border-line px-3.5 py-2.5 last:border-0"
        >
          <span className="truncate font-medium">{name}</span>
          <span className="truncate text-muted">{company}</span>
          <span className="text-right tabular-nums">{amount}</span>
        </p>
      ))}
      <Chart />
    </div>
  );
}

function Chart() {
  return (
    <div className="border-t border-line px-3.5 pt-2.5 pb-3">
      <p className="pb-2 text-muted">Rows imported, this week</p>
      <svg viewBox="0 0 140 42" className="h-16 w-full" preserveAspectRatio="none">
        {days.map(([height, rejected], index) => (
          <g key={index}>
            <rect x={index * 20 + 3} y={41 - height} width="14" height={height} className="fill-accent" />
            <rect
              x={index * 20 + 3}
              y={41 - height - rejected}
              width="14"
              height={rejected}
              className="fill-danger"
            />
          </g>
        ))}
        <path d="M0 41.5H140" className="stroke-line" strokeWidth="0.5" />
      </svg>
    </div>
  );
}

function Import() {
  return (
    <div className="grid gap-2.5 rounded-lg border border-line p-3.5">
      <p className="flex items-center gap-2 font-medium">
        <FileSpreadsheet className="size-4 text-accent" />
        customers.csv
        <span className="ml-auto text-muted tabular-nums">71%</span>
      </p>
      <svg viewBox="0 0 100 3" preserveAspectRatio="none" className="h-1.5 w-full rounded-full">
        <rect width="100" height="3" className="fill-hover" />
        <rect width="71" height="3" className="fill-accent" />
      </svg>
      <p className="text-muted tabular-nums">35,500 of 50,000 rows · 12 rejected</p>
    </div>
  );
}

function Change() {
  return (
    <div className="grid gap-2 rounded-lg border border-line p-3.5">
      <p className="flex items-center gap-2 font-medium">
        <CircleCheck className="size-4 text-accent" />
        Contact changed
      </p>
      <p className="font-mono text-[0.6875rem] leading-relaxed">
        <span className="block truncate rounded bg-danger-soft px-1.5 text-danger-ink">
          - company: Navy
        </span>
        <span className="block truncate rounded bg-accent-soft px-1.5 text-accent-ink">
          + company: US Navy
        </span>
      </p>
      <p className="text-muted">grace@example.com · 09:41:07</p>
    </div>
  );
}
