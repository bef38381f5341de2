import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openProgress } from '#kith/cli/progress.js';

/** A stream that keeps what was written and may pretend to be a terminal. */
function screen(isTTY: boolean) {
  const stream = new PassThrough();
  const written: string[] = [];
  stream.on('data', (chunk: Buffer) => written.push(chunk.toString()));
  return { stream: Object.assign(stream, { isTTY, columns: 100 }) as unknown as NodeJS.WriteStream, written };
}

const ERASE = '\r\u001b[2K';
const options = { label: 'slovenia', unit: 'rows', quiet: false };

describe('progress', () => {
  it('redraws one line on a terminal, with share, rate and time left, and erases it', () => {
    let time = 0;
    const { stream, written } = screen(true);
    const progress = openProgress(stream, options, () => time);
    time = 400;
    progress.update(100, 23_661);
    expect(written).toEqual([]);
    time = 1000;
    progress.update(11_830, 23_661);
    expect(written.at(-1)).toBe(
      `${ERASE}slovenia  [${'█'.repeat(11)}${'░'.repeat(13)}] 11,830 of 23,661 rows (49 %), 11,830 a second, 2 s left`,
    );
    time = 1050;
    progress.update(12_000, 23_661);
    expect(written).toHaveLength(1);
    progress.end();
    progress.end();
    expect(written.at(-1)).toBe(ERASE);
    expect(written).toHaveLength(2);
  });

  it('never wraps a narrow terminal', () => {
    let time = 0;
    const { stream, written } = screen(true);
    Object.assign(stream, { columns: 40 });
    const progress = openProgress(stream, { ...options, label: 'x'.repeat(60) }, () => time);
    time = 2000;
    progress.update(1, 2);
    expect(written[0]?.replace(ERASE, '').length).toBeLessThan(40);
  });

  it('writes a plain line now and then where nobody watches, and none for a machine', () => {
    for (const quiet of [false, true]) {
      let time = 0;
      const { stream, written } = screen(false);
      const progress = openProgress(stream, { ...options, quiet }, () => time);
      for (let done = 1; done <= 12; done++) {
        time = done * 1000;
        progress.update(done * 10);
      }
      progress.end();
      expect(written).toEqual(quiet ? [] : ['slovenia: 50 rows, 10 a second\n', 'slovenia: 100 rows, 10 a second\n']);
    }
  });
});
