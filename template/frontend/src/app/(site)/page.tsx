import { ArrowRight, FileUp, History, KeyRound, ShieldCheck, TerminalSquare, Zap } from "lucide-react";
import type { Metadata } from "next";
import Link from "next/link";

import { ProductPicture } from "@/components/site/product-picture";
import { buttonLook } from "@/components/ui/button";
import { product } from "@/product";
import { application } from "@/site/pages";

export const metadata: Metadata = {
  title: { absolute: `${product.name}: your contacts, in safe hands` },
  alternates: { canonical: "/" },
};

const features = [
  {
    Icon: FileUp,
    title: "Imports of any size",
    text: "Drop a CSV with a million rows and watch it arrive. Good rows go in; each bad one comes back with its line, its column and the reason.",
  },
  {
    Icon: ShieldCheck,
    title: "Apart in the database",
    text: "Your rows are yours because the database refuses to show them to anyone else, not because every query remembered to ask.",
  },
  {
    Icon: History,
    title: "A record of everything",
    text: "Who changed what and when, with the value before and after. It is written with the change itself, and nobody can edit it.",
  },
  {
    Icon: Zap,
    title: "Nothing gets lost",
    text: "A worker that dies in the middle of a file goes on where it stopped. No row twice, no row missing.",
  },
  {
    Icon: KeyRound,
    title: "Keys that know their place",
    text: "API keys are shown once, do only what you allow, end when you say, and leave their name on all that they do.",
  },
  {
    Icon: TerminalSquare,
    title: "One API for all of it",
    text: "What you see on these screens is what your scripts can do: the same endpoints, documented, with errors that say what to change.",
  },
] as const;

const steps = [
  ["Bring what you have", "A file with name, email, company and amount is enough. Preview the first rows before anything is written."],
  ["Watch it arrive", "Progress comes to your browser as rows are committed. Close the tab, come back: it is where it was."],
  ["Know what happened", "Search, correct, export. Every step of it stands in the audit trail, to the second."],
] as const;

export default function LandingPage() {
  return (
    <>
      <section className="relative isolate overflow-hidden">
        <div
          aria-hidden
          className="absolute inset-x-0 -top-40 -z-10 mx-auto h-[34rem] max-w-5xl rounded-full bg-accent-soft opacity-70 blur-3xl"
        />
        <div className="mx-auto grid max-w-6xl gap-14 px-4 pt-20 pb-20 text-center sm:px-6 sm:pt-28">
          <div className="mx-auto grid max-w-3xl gap-6">
            <h1 className="text-4xl font-semibold tracking-[-0.03em] sm:text-6xl">
              Your contacts, in safe hands
            </h1>
            <p className="mx-auto max-w-2xl text-lg text-muted sm:text-xl">
              {product.name} takes in the files that you have, keeps them apart from everyone else’s, and
              remembers every change that was ever made.
            </p>
            <div className="flex flex-wrap justify-center gap-3 pt-2">
              <a href={application} className={buttonLook({ size: "large" })}>
                Start now
                <ArrowRight aria-hidden />
              </a>
              <Link href="/docs" className={buttonLook({ variant: "secondary", size: "large" })}>
                Read how it works
              </Link>
            </div>
          </div>
          <ProductPicture />
        </div>
      </section>

      <section aria-labelledby="features" className="mx-auto max-w-6xl px-4 py-20 sm:px-6">
        <h2 id="features" className="max-w-xl text-3xl font-semibold tracking-tight sm:text-4xl">
          Made for data that people rely on
        </h2>
        <ul className="grid gap-px pt-12 sm:grid-cols-2 lg:grid-cols-3">
          {features.map(({ Icon, title, text }) => (
            <li key={title} className="grid content-start gap-3 py-6 pr-8">
              <span className="grid size-10 place-items-center rounded-lg bg-accent-soft text-accent-ink">
                <Icon aria-hidden className="size-5" />
              </span>
              <h3 className="text-lg font-semibold tracking-tight">{title}</h3>
              <p className="text-muted">{text}</p>
            </li>
          ))}
        </ul>
      </section>

      <section aria-labelledby="steps" className="border-y border-line bg-sunken">
        <div className="mx-auto max-w-6xl px-4 py-20 sm:px-6">
          <h2 id="steps" className="text-3xl font-semibold tracking-tight sm:text-4xl">
            From a file to an answer
          </h2>
          <ol className="grid gap-10 pt-12 md:grid-cols-3">
            {steps.map(([title, text], index) => (
              <li key={title} className="grid content-start gap-3 border-t-2 border-accent pt-5">
                <span className="text-sm font-medium text-accent-ink tabular-nums">{index + 1}</span>
                <h3 className="text-lg font-semibold tracking-tight">{title}</h3>
                <p className="text-muted">{text}</p>
              </li>
            ))}
          </ol>
        </div>
      </section>

      <section className="mx-auto grid max-w-3xl justify-items-center gap-6 px-4 pt-24 text-center sm:px-6">
        <h2 className="text-3xl font-semibold tracking-tight sm:text-4xl">
          Try it with a file of your own
        </h2>
        <p className="text-lg text-muted">It takes as long as it takes to drag one into the window.</p>
        <a href={application} className={buttonLook({ size: "large" })}>
          Start now
          <ArrowRight aria-hidden />
        </a>
      </section>
    </>
  );
}
