import type { MigrationPhase, ProgressListener } from '../migration/progress.js';
import type { Progress } from './progress.js';
import type { Terminal } from './terminal.js';

const DOING: Readonly<Record<MigrationPhase, string>> = {
  waiting: 'waiting for another run',
  reading: 'reading',
  comparing: 'comparing',
  writing: 'writing',
  indexing: 'building the index',
  validating: 'validating',
  exporting: 'exporting',
};

/** Shows a migration's or an export's progress: a bar per domain and phase, one after the other. */
export function watchMigration(terminal: Terminal): Disposable & { onProgress: ProgressListener; end(): void } {
  let shown: { readonly key: string; readonly progress: Progress } | null = null;
  const end = (): void => {
    shown?.progress.end();
    shown = null;
  };
  return {
    onProgress: ({ domain, phase, done, total }) => {
      const key = `${domain} ${phase}`;
      if (shown?.key !== key) {
        end();
        shown = { key, progress: terminal.progress(`${domain}: ${DOING[phase]}`, 'rows') };
      }
      shown.progress.update(done, total);
    },
    end,
    [Symbol.dispose]: end,
  };
}
