import { choiceOption, flagOption, numberOption, type Option, textOption } from './option.js';
import { POOL_SIZE } from './pool-size.js';

const MIB = 1024 * 1024;

/** Every variable that Kith reads, in the order of docs/configuration.md, which is generated from it. */
export const OPTIONS = {
  databaseUrl: textOption({
    variable: 'VECTOR_DB_URL',
    meaning:
      'PostgreSQL URL, `postgresql://user@host:5432/database`; reserved characters in the password percent-encoded (`/` → `%2F`, `=` → `%3D`)',
    default: null,
    unset: 'unset: the embedded database in `KITH_DATA`',
    secret: true,
  }),
  databaseUrlFile: textOption({
    variable: 'VECTOR_DB_URL_FILE',
    meaning: 'file that holds the URL (Docker, Kubernetes, systemd `LoadCredential`); docs/secrets.md has every source',
    default: null,
    unset: 'unset',
  }),
  enabled: flagOption({
    variable: 'VECTOR_DB_ENABLED',
    meaning: 'false: every domain without a mode of its own is in mode `pkl`',
    default: null,
    unset:
      'unset: `dual` for a migrated domain with a datastore, `pkl` for one not migrated, `pgvector` for one without a datastore',
  }),
  dualMode: flagOption({
    variable: 'VECTOR_DB_DUAL_MODE',
    meaning:
      'with `VECTOR_DB_ENABLED=true`, the mode of every domain without one of its own: true `dual`, false `pgvector`',
    default: null,
    unset: 'unset',
  }),
  poolSize: numberOption({
    variable: 'VECTOR_DB_POOL_SIZE',
    meaning: 'connections to PostgreSQL that one process may hold',
    ...POOL_SIZE,
    unit: 'connections',
  }),
  storage: textOption({
    variable: 'KITH_STORAGE',
    meaning:
      "folder of domains: `<storage>/<domain>/<Person Name>/<image>`, each domain's datastore beside its persons",
    default: 'storage/recognized_faces_prod',
  }),
  data: textOption({
    variable: 'KITH_DATA',
    meaning: "Kith's own files: the embedded database, the last known modes",
    default: 'data',
  }),
  postgresPrograms: textOption({
    variable: 'KITH_PG_BIN',
    meaning: 'folder of `pg_dump` and `pg_restore`, for `kith backup`; they must be as new as the server',
    default: null,
    unset: 'unset: the newest in `PATH` or the usual folders',
  }),
  host: textOption({
    variable: 'KITH_HOST',
    meaning: 'address to listen on; one that is not loopback needs an API key to exist',
    default: '127.0.0.1',
  }),
  port: numberOption({ variable: 'KITH_PORT', meaning: 'port to listen on', default: 5001, min: 0, max: 65_535 }),
  models: textOption({
    variable: 'KITH_MODELS',
    meaning:
      'folder with model weights (`arcface_weights.h5`, `retinaface.h5`, `*.onnx`); `~/.deepface/weights` is looked in too',
    default: null,
    unset: 'unset',
  }),
  deepfaceHome: textOption({
    variable: 'DEEPFACE_HOME',
    meaning: 'where DeepFace keeps its `.deepface` folder',
    default: null,
    unset: 'unset: the home folder',
  }),
  sampleGallery: flagOption({
    variable: 'KITH_SAMPLE_GALLERY',
    meaning: 'enrol a small sample gallery on the first start with an empty embedded database',
    default: true,
  }),
  device: choiceOption({
    variable: 'KITH_DEVICE',
    meaning: 'what computes embeddings: the ONNX execution provider',
    default: 'cpu',
    choices: ['cpu', 'cuda', 'coreml', 'dml'],
  }),
  workers: numberOption({
    variable: 'KITH_WORKERS',
    meaning: 'inference worker threads; 0 is one per processor core, at most 4',
    default: 0,
    min: 0,
    max: 64,
    unit: '(one per core, at most 4)',
  }),
  queue: numberOption({
    variable: 'KITH_QUEUE',
    meaning: 'photos that may wait for an inference worker before callers get 503',
    default: 64,
    min: 1,
    max: 10_000,
    unit: 'photos',
  }),
  maxPhotoBytes: numberOption({
    variable: 'KITH_MAX_PHOTO_BYTES',
    meaning: 'largest photo that is accepted',
    default: 20 * MIB,
    min: 1024,
    max: 1024 * MIB,
    unit: 'bytes (20 MiB)',
  }),
  maxPhotoPixels: numberOption({
    variable: 'KITH_MAX_PHOTO_PIXELS',
    meaning: 'largest photo that is decoded',
    default: 64_000_000,
    min: 10_000,
    max: 1_000_000_000,
    unit: 'pixels',
  }),
  recallShare: numberOption({
    variable: 'KITH_RECALL_SHARE',
    meaning:
      'share of the searches by an index that the service repeats exactly, off the request path, to measure recall',
    default: 0.01,
    min: 0,
    max: 1,
    decimal: true,
    unit: '(share)',
  }),
  margin: numberOption({
    variable: 'KITH_MARGIN',
    meaning: 'a second person within this distance of the first makes the verdict `ambiguous`',
    default: 0.02,
    min: 0,
    max: 2,
    decimal: true,
    unit: '(distance)',
  }),
  shadowSampling: numberOption({
    variable: 'KITH_SHADOW_SAMPLING',
    meaning: 'share of the searches in dual mode that are compared',
    default: 1,
    min: 0,
    max: 1,
    decimal: true,
  }),
  shadowDays: numberOption({
    variable: 'KITH_SHADOW_DAYS',
    meaning: 'time for which comparisons are kept',
    default: 30,
    min: 1,
    max: 3650,
    unit: 'days',
  }),
  shadowQueue: numberOption({
    variable: 'KITH_SHADOW_QUEUE',
    meaning: 'comparisons that may wait; further ones are dropped and counted',
    default: 256,
    min: 1,
    max: 100_000,
    unit: 'comparisons',
  }),
  latencyBudget: numberOption({
    variable: 'KITH_LATENCY_BUDGET',
    meaning: 'what the 95th percentile of the database search may take for a domain to be ready',
    default: 100,
    min: 1,
    max: 60_000,
    unit: 'milliseconds',
  }),
  requestSeconds: numberOption({
    variable: 'KITH_REQUEST_SECONDS',
    meaning: 'time for a client to send its request, and for the answer to be computed',
    default: 30,
    min: 1,
    max: 3600,
    unit: 'seconds each',
  }),
  pidFile: textOption({
    variable: 'KITH_PID_FILE',
    meaning: 'file that holds the number of the service while it runs, for tools that want one',
    default: null,
    unset: 'unset: none',
  }),
  shutdownSeconds: numberOption({
    variable: 'KITH_SHUTDOWN_SECONDS',
    meaning: 'time that requests in flight get to finish after SIGTERM',
    default: 25,
    min: 1,
    max: 600,
    unit: 'seconds',
  }),
  logLevel: choiceOption({
    variable: 'KITH_LOG_LEVEL',
    meaning: 'least level of the log lines on stdout (JSON, one a line)',
    default: 'info',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
  }),
} as const satisfies Record<string, Option<unknown>>;

export type OptionName = keyof typeof OPTIONS;

/** The checked configuration of a process. Frozen. */
export type Config = { readonly [K in OptionName]: (typeof OPTIONS)[K] extends Option<infer T> ? T : never };
