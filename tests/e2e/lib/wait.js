// Deadlines instead of sleeps: a test waits for a condition or an event and fails by name when it does not come.

/** Multiplies every deadline; raise it for sanitizer builds or slow machines. */
export const patience = Number(process.env.GW_PATIENCE ?? 1);

export class DeadlineError extends Error {}

/** Resolves or rejects as `promise` does, or rejects with `what` after `ms`. */
export function within(ms, promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const text = typeof what === 'function' ? what() : what;
      reject(new DeadlineError(`not within ${ms * patience} ms: ${text}`));
    }, ms * patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/**
 * Calls `probe` until it returns something truthy (which is returned) or the deadline passes. Probe errors count as
 * "not yet".
 */
export async function until(probe, what, ms = 15000) {
  const end = performance.now() + ms * patience;
  let last;
  for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      const text = typeof what === 'function' ? what() : what;
      throw new DeadlineError(`not within ${ms * patience} ms: ${text}; the last look gave ${describe(last)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** A promise with its resolve and reject outside: how tests release a scripted peer without timers. */
export function gate() {
  const self = {};
  self.promise = new Promise((resolve, reject) => {
    self.open = resolve;
    self.fail = reject;
  });
  self.promise.catch(() => {});
  return self;
}

function describe(value) {
  if (value instanceof Error) return value.stack?.split('\n').slice(0, 2).join(' ') ?? String(value);
  try {
    return JSON.stringify(value)?.slice(0, 600) ?? String(value);
  } catch {
    return String(value);
  }
}
