/**
 * Loaded into every Node of `make dev`: a process that was forked ends with the one that forked it,
 * also when that one is killed and can tell nobody.
 */
if (process.channel) {
  process.on("disconnect", () => {
    process.exit(0);
  });
  // Listening alone must keep no process alive.
  process.channel.unref();
}
