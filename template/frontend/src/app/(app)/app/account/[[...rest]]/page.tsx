import { OrganizationProfile, UserProfile } from "@clerk/nextjs";
import type { Metadata } from "next";
import Link from "next/link";

import { PageHeader } from "@/components/page-header";
import { Tabs } from "@/components/ui/tabs";
import { issuer } from "@/session/development/issuer";

export const metadata: Metadata = { title: "Account" };

/** Clerk's own pages: for oneself, and for the organization and its members. */
export default function AccountPage() {
  if (issuer()) {
    return (
      <PageHeader title="Account">
        In production Clerk shows here how people change their account and their organization.{" "}
        <Link href="/app" className="underline">
          Back
        </Link>
      </PageHeader>
    );
  }
  return (
    <>
      <PageHeader title="Account" />
      <Tabs
        label="Account"
        tabs={[
          { id: "you", label: "You", panel: <UserProfile routing="hash" /> },
          { id: "organization", label: "Organization", panel: <OrganizationProfile routing="hash" /> },
        ]}
      />
    </>
  );
}
