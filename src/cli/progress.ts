/** How far a long command is. `end` leaves the terminal as a shell expects it and may be called twice. */
export interface Progress extends Disposable {
  update(done: number, total?: number | null): void;
  end(): void;
}

interface ProgressOptions {
  readonly label: string;
  /** What is counted, in the plural: rows, photos. */
  readonly unit: string;
  /** A machine reads: no lines outside a terminal. */
  readonly quiet: boolean;
}

/** A command that is over sooner shows no bar. */
const SHOW_AFTER_MS = 500;
const REDRAW_MS = 100;
const LINE_EVERY_MS = 5000;
const BAR_WIDTH = 24;
const ERASE_LINE = '\r\u001b[2K';

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

const seconds = (value: number): string =>
  value < 90
    ? `${Math.ceil(value)} s`
    : value < 5400
      ? `${Math.round(value / 60)} min`
      : `${short.format(value / 3600)} h`;

/** `rows 12,345 of 23,661 (52 %), 9,876 a second, 2 s left` */
function describe(done: number, total: number | null, unit: string, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  const speed = rate > 0 ? `, ${(rate < 10 ? short : whole).format(rate)} a second` : '';
  if (total === null || total <= 0) return `${whole.format(done)} ${unit}${speed}`;
  const left = rate > 0 && done < total ? `, ${seconds((total - done) / rate)} left` : '';
  const percent = Math.floor((100 * done) / total);
  return `${whole.format(done)} of ${whole.format(total)} ${unit} (${percent} %)${speed}${left}`;
}

function bar(done: number, total: number | null): string {
  if (total === null || total <= 0) return '';
  const filled = Math.min(BAR_WIDTH, Math.floor((BAR_WIDTH * done) / total));
  return `[${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}] `;
}

/**
 * The one renderer of progress: on a terminal a bar with rate and time left, redrawn in place on stderr; elsewhere
 * (a log, a pipe) a plain line every five seconds.
 */
export function openProgress(
  stream: NodeJS.WriteStream,
  options: ProgressOptions,
  now: () => number = () => performance.now(),
): Progress {
  const started = now();
  let drawnAt = started;
  let drawn = false;

  const draw = (done: number, total: number | null, time: number): void => {
    const text = describe(done, total, options.unit, time - started);
    if (stream.isTTY) {
      const line = `${options.label}  ${bar(done, total)}${text}`;
      stream.write(ERASE_LINE + line.slice(0, Math.max((stream.columns ?? 80) - 1, 20)));
    } else stream.write(`${options.label}: ${text}\n`);
    drawn = true;
    drawnAt = time;
  };

  const due = (time: number): boolean => {
    if (!stream.isTTY) return !options.quiet && time - drawnAt >= LINE_EVERY_MS;
    return time - started >= SHOW_AFTER_MS && (!drawn || time - drawnAt >= REDRAW_MS);
  };

  const end = (): void => {
    if (drawn && stream.isTTY) stream.write(ERASE_LINE);
    drawn = false;
  };

  return {
    update: (done, total = null) => {
      const time = now();
      if (due(time)) draw(done, total, time);
    },
    end,
    [Symbol.dispose]: end,
  };
}
