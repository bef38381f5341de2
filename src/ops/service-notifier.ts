import { execFile } from 'node:child_process';
import { type ServiceManager, serviceManager } from '../config/service-manager.js';

/** Longer, and the watchdog would wait for a sign that is stuck in a child. */
const SEND_TIMEOUT_MS = 10_000;

/**
 * Tells systemd how the service is: started → ready → stopping, and signs of life in between.
 * Node's sockets cannot send datagrams to a Unix socket, so `systemd-notify` sends them; the unit says
 * `NotifyAccess=all`. Without a service manager every call does nothing.
 */
export class ServiceNotifier implements Disposable {
  readonly #manager: ServiceManager;
  readonly #onFailure: (why: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #starting: NodeJS.Timeout | undefined;
  /** One after the other: a late word of a start must not follow `ready`. */
  #sent: Promise<void> = Promise.resolve();

  /** @param onFailure told once when a message could not be sent, such as where there is no `systemd-notify` */
  constructor(onFailure: (why: string) => void, manager: ServiceManager = serviceManager()) {
    this.#manager = manager;
    let told = false;
    this.#onFailure = (why) => {
      if (!told) onFailure(why);
      told = true;
    };
  }

  get managed(): boolean {
    return this.#manager.notifySocket !== null;
  }

  /** What the service is doing, for `systemctl status`. */
  status(text: string): Promise<void> {
    return this.#send([`--status=${text}`]);
  }

  /** The start goes on and takes longer, such as while the schema is brought up to date. */
  extendStart(seconds: number, text: string): Promise<void> {
    return this.#send([`--status=${text}`, `EXTEND_TIMEOUT_USEC=${Math.round(seconds * 1_000_000)}`]);
  }

  /**
   * Extends the start again and again, by `seconds` each time, until `ready`, `stopping` or the end: systemd's
   * TimeoutStartSec then is for a process that hangs, not for one at work. `text` is asked anew each time.
   */
  extendStartWhile(seconds: number, text: () => string): void {
    if (!this.managed) return;
    const extend = (): void => void this.extendStart(seconds, text());
    extend();
    this.#starting = setInterval(extend, (seconds * 1_000) / 3).unref();
  }

  ready(text: string): Promise<void> {
    clearInterval(this.#starting);
    return this.#send(['--ready', `--status=${text}`]);
  }

  stopping(): Promise<void> {
    this[Symbol.dispose]();
    return this.#send(['STOPPING=1', '--status=finishing what is in flight']);
  }

  /**
   * Sends a sign of life at half of the watchdog's time, as long as `isAlive` answers true. Nothing when systemd
   * did not ask for it. A blocked event loop sends none, whatever `isAlive` would say.
   */
  watch(isAlive: () => boolean | Promise<boolean>): void {
    const { watchdogSeconds } = this.#manager;
    if (watchdogSeconds === null || this.#manager.notifySocket === null) return;
    const beat = async (): Promise<void> => {
      if (await isAlive()) await this.#send(['WATCHDOG=1']);
    };
    this.#timer = setInterval(() => void beat().catch(() => undefined), (watchdogSeconds / 2) * 1_000);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    clearInterval(this.#starting);
  }

  #send(words: readonly string[]): Promise<void> {
    this.#sent = this.#sent.then(() => this.#notify(words));
    return this.#sent;
  }

  #notify(words: readonly string[]): Promise<void> {
    const { notifySocket, path } = this.#manager;
    if (notifySocket === null) return Promise.resolve();
    const options = { env: { NOTIFY_SOCKET: notifySocket, PATH: path }, timeout: SEND_TIMEOUT_MS };
    return new Promise((resolve) => {
      execFile('systemd-notify', [...words], options, (error) => {
        if (error !== null) this.#onFailure(error.message.split('\n', 1)[0] ?? 'it failed');
        resolve();
      });
    });
  }
}
