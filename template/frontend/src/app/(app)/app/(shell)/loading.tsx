/** While a page is on its way: its outline. */
export default function Loading() {
  return (
    <div role="status" aria-label="Loading" className="grid gap-6">
      <div className="h-8 w-56 animate-pulse rounded-control bg-hover motion-reduce:animate-none" />
      <div className="h-64 animate-pulse rounded-card bg-hover motion-reduce:animate-none" />
    </div>
  );
}
