interface Plan {
  name: string;
  price: string;
  per: string;
  summary: string;
  points: readonly string[];
  highlighted: boolean;
}

/** What is offered at which price: examples until the owner decides. Nothing in the product bills. */
export const plans: readonly Plan[] = [
  {
    name: "Starter",
    price: "€0",
    per: "for as long as you like",
    summary: "To try it with your own data.",
    points: ["1,000 contacts", "CSV imports with live progress", "Audit trail", "One API key"],
    highlighted: false,
  },
  {
    name: "Business",
    price: "€29",
    per: "a month",
    summary: "For everyday work.",
    points: [
      "100,000 contacts",
      "Imports of up to 100 MB",
      "Audit export as CSV and NDJSON",
      "API keys without limit",
      "Answers within one working day",
    ],
    highlighted: true,
  },
  {
    name: "Scale",
    price: "On request",
    per: "billed yearly",
    summary: "For what must not stop.",
    points: [
      "Contacts without limit",
      "Sealed audit trail in your own storage",
      "Single sign-on",
      "A person who knows your setup",
    ],
    highlighted: false,
  },
];

/** True of every plan: how the product is built, not what it costs. */
export const everyPlan: readonly string[] = [
  "Rows kept apart by the database itself",
  "Every change recorded with who and when",
  "Jobs that survive a crash, without doubles",
  "A documented API, the same that the product uses",
  "Light and dark, keyboard and screen reader",
  "Your data as CSV whenever you want it",
];
