import { Building2 } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";

import { me } from "@/api";
import { NavigationLink } from "@/components/navigation-link";
import { Offline } from "@/components/offline";
import { buttonLook } from "@/components/ui/button";
import { EmptyState } from "@/components/ui/empty-state";
import { ToastRegion } from "@/components/ui/toast";
import { screens } from "@/navigation";
import { organizations } from "@/organizations/choice";
import { product } from "@/product";
import { SignOutButton } from "@/session/sign-out-button";
import { ThemeChoice } from "@/theme/theme-choice";

/** What is around every page: where one is, where one can go, and the way out. */
export default async function Shell({ children }: { children: ReactNode }) {
  const mine = await me();
  const homeless = organizations.needed && !mine.organization;
  const shown = homeless ? [] : screens.filter(({ permission }) => mine.permissions.includes(permission));
  return (
    <div className="lg:grid lg:min-h-dvh lg:grid-cols-[16rem_minmax(0,1fr)]">
      <a
        href="#page"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-control focus:bg-surface focus:px-4 focus:py-2"
      >
        Skip to the page
      </a>
      <aside className="flex flex-col gap-4 border-b border-line bg-sunken px-4 py-4 lg:sticky lg:top-0 lg:h-dvh lg:border-r lg:border-b-0">
        <div className="flex items-center justify-between gap-4 lg:grid lg:gap-4">
          <Link href="/app" className="truncate px-1 font-semibold tracking-tight">
            {product.name}
          </Link>
          <organizations.Switcher me={mine} />
        </div>
        {shown.length > 0 ? (
          <nav aria-label="Product" className="flex gap-1 overflow-x-auto lg:grid">
            {shown.map(({ href, label, Icon }) => (
              <NavigationLink key={href} href={href}>
                <Icon aria-hidden />
                {label}
              </NavigationLink>
            ))}
          </nav>
        ) : null}
        <div className="flex flex-wrap items-center justify-between gap-3 lg:mt-auto">
          <NavigationLink href="/app/profile">
            <span className="max-w-40 truncate">{mine.user.name ?? mine.user.email ?? "Profile"}</span>
          </NavigationLink>
          <ThemeChoice />
          <SignOutButton />
        </div>
      </aside>
      <ToastRegion>
        <main id="page" className="mx-auto w-full max-w-6xl px-4 py-8 sm:px-8">
          <Offline />
          {homeless ? (
            <EmptyState
              Icon={Building2}
              title="You work in no organization"
              Heading="h1"
              actions={
                <a href="/session/start" className={buttonLook()}>
                  Choose one, or make one
                </a>
              }
            />
          ) : (
            children
          )}
        </main>
      </ToastRegion>
    </div>
  );
}
