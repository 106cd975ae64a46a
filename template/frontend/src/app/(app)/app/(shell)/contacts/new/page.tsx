import type { Metadata } from "next";

import { me } from "@/api";
import { NotAllowed } from "@/components/not-allowed";
import { PageHeader } from "@/components/page-header";
import { Card, CardBody } from "@/components/ui/card";
import { createContact } from "@/contacts/actions";
import { ContactForm } from "@/contacts/contact-form";

export const metadata: Metadata = { title: "New contact" };

export default async function NewContactPage() {
  const { permissions } = await me();
  if (!permissions.includes("contacts:write")) return <NotAllowed what="this form" />;
  return (
    <>
      <PageHeader title="New contact" />
      <Card>
        <CardBody>
          <ContactForm action={createContact} submit="Add the contact" />
        </CardBody>
      </Card>
    </>
  );
}
