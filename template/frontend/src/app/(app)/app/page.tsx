import { product } from "@/product";

export default function HomePage() {
  return (
    <main className="mx-auto max-w-3xl px-6 py-24">
      <h1 className="text-3xl font-semibold tracking-tight">{product.name}</h1>
    </main>
  );
}
