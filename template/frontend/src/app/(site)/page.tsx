import Link from "next/link";

import { buttonLook } from "@/components/ui/button";
import { product } from "@/product";

export default function LandingPage() {
  return (
    <main className="mx-auto grid max-w-3xl gap-6 px-6 py-24">
      <h1 className="text-5xl font-semibold tracking-tight">{product.name}</h1>
      <p className="text-lg text-muted">{product.description}</p>
      <p>
        <Link href="/app" prefetch={false} className={buttonLook()}>
          Open the app
        </Link>
      </p>
    </main>
  );
}
