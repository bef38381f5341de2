import { loadConfig } from '../config/config.js';
import { resolveDatabaseConnection } from '../config/database-connection.js';
import type { Config } from '../config/schema.js';
import { embeddedDatabaseExists } from '../gallery/embedded-folder.js';
import { type Check, type CheckReport, finding } from '../ops/check.js';
import type { DoctorContext } from '../ops/doctor.js';
import { EngineSource } from './engine-source.js';
import { databaseLocation, openDatabaseOf } from './services.js';

/** What `doctor` looks at, as the configuration of this process says. Opens nothing by itself. */
export function doctorContext(signal: AbortSignal): DoctorContext {
  const config = loadConfig();
  return {
    config,
    connection: () => resolveDatabaseConnection(),
    open: async () => {
      const gallery = await openDatabaseOf(config, { schema: 'any' });
      return {
        database: gallery.database,
        schema: () => gallery.schema({ signal }),
        [Symbol.asyncDispose]: () => gallery.close(),
      };
    },
    models: () => checkModels(config),
    signal,
  };
}

async function checkModels(config: Config): Promise<readonly Check[]> {
  await using engines = new EngineSource(config);
  const begun = performance.now();
  await engines.warm();
  return [finding('models', 'ok', `the bundled engine works, ready in ${Math.round(performance.now() - begun)} ms`)];
}

/** The self-test on the configured database; one that was never made is not made for it. */
export async function selftestReport(signal: AbortSignal): Promise<CheckReport> {
  const { failedSelftest, selftest } = await import('../ops/selftest.js');
  const config = loadConfig();
  const location = await databaseLocation(config);
  if (location.kind === 'embedded' && !embeddedDatabaseExists(location.folder))
    return failedSelftest(`there is no embedded database in ${location.folder} yet; kith serve makes it`);
  await using gallery = await openDatabaseOf(config, { schema: 'any' });
  return await selftest(gallery, signal);
}
