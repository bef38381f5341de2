import type { CommandEntry } from './command.js';

/** Every command, in the order of `kith --help`. Only the file of the one that was asked for is loaded. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'serve',
    summary: 'start the HTTP service',
    load: async () => (await import('./commands/serve.js')).serveCommand,
  },
  {
    name: 'demo',
    summary: 'tell the whole story in this terminal, on sample photos',
    load: async () => (await import('./commands/demo.js')).demoCommand,
  },
  {
    name: 'migrate',
    summary: 'move DeepFace datastores into the database',
    load: async () => (await import('./commands/migrate.js')).migrateCommand,
  },
  {
    name: 'enroll',
    summary: 'turn a folder of photos into a gallery',
    load: async () => (await import('./commands/enroll.js')).enrollCommand,
  },
  {
    name: 'recognize',
    summary: 'who is on a photo?',
    load: async () => (await import('./commands/recognize.js')).recognizeCommand,
  },
  {
    name: 'verify',
    summary: 'do two photos show one person?',
    load: async () => (await import('./commands/verify.js')).verifyCommand,
  },
  {
    name: 'search',
    summary: 'who is nearest to an embedding?',
    load: async () => (await import('./commands/search.js')).searchCommand,
  },
  {
    name: 'detect',
    summary: 'where are the faces of a photo?',
    load: async () => (await import('./commands/detect.js')).detectCommand,
  },
  {
    name: 'embed',
    summary: 'the embeddings of the faces of a photo',
    load: async () => (await import('./commands/detect.js')).embedCommand,
  },
  {
    name: 'stats',
    summary: 'persons and faces of every domain',
    load: async () => (await import('./commands/stats.js')).statsCommand,
  },
  {
    name: 'domain',
    summary: 'domains: list, mode, set',
    load: async () => (await import('./commands/domain.js')).domainCommand,
  },
  {
    name: 'person',
    summary: 'persons: list, show, rename, merge, erase',
    load: async () => (await import('./commands/person.js')).personCommand,
  },
  {
    name: 'shadow',
    summary: 'compare the two searches: report, replay, reset',
    load: async () => (await import('./commands/shadow.js')).shadowCommand,
  },
  {
    name: 'cutover',
    summary: 'let the database answer for a domain',
    load: async () => (await import('./commands/cutover.js')).cutoverCommand,
  },
  {
    name: 'rollback',
    summary: 'let the datastore answer again',
    load: async () => (await import('./commands/cutover.js')).rollbackCommand,
  },
  {
    name: 'archive',
    summary: 'pack the datastores of a domain away, or bring them back',
    load: async () => (await import('./commands/archive.js')).archiveCommand,
  },
  {
    name: 'export',
    summary: 'write a domain as a DeepFace datastore',
    load: async () => (await import('./commands/export.js')).exportCommand,
  },
  {
    name: 'tune',
    summary: 'measure the recall of searches and choose ef_search by it',
    load: async () => (await import('./commands/tune.js')).tuneCommand,
  },
  {
    name: 'db',
    summary: 'the schema: status, migrate',
    load: async () => (await import('./commands/db.js')).dbCommand,
  },
  {
    name: 'doctor',
    summary: 'is everything there that the service needs?',
    load: async () => (await import('./commands/doctor.js')).doctorCommand,
  },
  {
    name: 'selftest',
    summary: 'nine checks on the live database, without a trace',
    load: async () => (await import('./commands/doctor.js')).selftestCommand,
  },
  {
    name: 'keys',
    summary: 'API keys: create, list, revoke',
    load: async () => (await import('./commands/keys.js')).keysCommand,
  },
  {
    name: 'backup',
    summary: 'write a backup of the database',
    load: async () => (await import('./commands/backup.js')).backupCommand,
  },
  {
    name: 'restore',
    summary: 'restore a backup',
    load: async () => (await import('./commands/backup.js')).restoreCommand,
  },
  {
    name: 'models',
    summary: "DeepFace's weights: list, check, pull",
    load: async () => (await import('./commands/models.js')).modelsCommand,
  },
  {
    name: 'bench',
    summary: 'benchmarks that print their numbers, in a checkout',
    load: async () => (await import('./commands/bench.js')).benchCommand,
  },
  {
    name: 'systemd',
    summary: 'print or install a systemd unit for the service',
    load: async () => (await import('./commands/systemd.js')).systemdCommand,
  },
];
