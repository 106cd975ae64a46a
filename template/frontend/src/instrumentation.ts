/** What happens once, before the server answers. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { sealRenderedAnew } = await import("@/security/rendered-anew");
  sealRenderedAnew();
}
