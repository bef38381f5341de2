import { type Environment, environment } from './environment.js';

/** What systemd told this process; null where it is not run by one. */
export interface ServiceManager {
  readonly notifySocket: string | null;
  /** Half of the watchdog's time is when a sign of life is due. */
  readonly watchdogSeconds: number | null;
  readonly path: string;
}

/** Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC` (sd_notify(3), sd_watchdog_enabled(3)). */
export function serviceManager(env: Environment = environment()): ServiceManager {
  const microseconds = Number(env.WATCHDOG_USEC);
  const meant = env.WATCHDOG_PID === undefined || Number(env.WATCHDOG_PID) === process.pid;
  return {
    notifySocket: env.NOTIFY_SOCKET || null,
    watchdogSeconds: meant && microseconds > 0 ? microseconds / 1_000_000 : null,
    path: env.PATH ?? '/usr/bin:/bin',
  };
}
