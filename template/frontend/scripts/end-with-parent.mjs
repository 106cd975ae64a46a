/**
 * Loaded into every Node of `make dev`: a process ends when the one that started it has ended, also
 * when that one was killed and could tell nobody. `next dev` forks, and the system gives what it forked
 * to another parent.
 */
const parent = process.ppid;
const MILLISECONDS = 500;

setInterval(() => {
  if (process.ppid !== parent) process.exit(0);
}, MILLISECONDS).unref();
