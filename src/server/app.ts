import { randomUUID } from 'node:crypto';
import multipart from '@fastify/multipart';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Config } from '../config/schema.js';
import { type FaultCode, KithError } from '../errors.js';
import { cancelSlowRequests } from './cancellation.js';
import { sendProblem, toFault } from './problem.js';

/** Base64 makes 4 bytes of 3; the rest of a JSON body is small. */
const jsonLimit = (config: Config): number => Math.ceil((config.maxPhotoBytes * 4) / 3) + 65_536;

const CALLERS_ID = /^[\w.:-]{1,64}$/;

/** The caller's `x-request-id` when it is harmless in a log, else a new one. */
function requestId(request: { headers: Record<string, string | string[] | undefined> }): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && CALLERS_ID.test(given) ? given : randomUUID();
}

/** Photos come as raw bytes under any type: curl's `--data-binary` says it sends a form unless told otherwise. */
function acceptRawPhotos(app: FastifyInstance, config: Config): void {
  const options = { parseAs: 'buffer', bodyLimit: config.maxPhotoBytes } as const;
  const keep = (_request: FastifyRequest, body: Buffer, done: (error: null, body: Buffer) => void): void =>
    done(null, body);
  // The framework would read text as a string, and lose the bytes of a photo that is sent as one.
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser('application/x-www-form-urlencoded', options, keep);
  app.addContentTypeParser('*', options, keep);
}

const PROBED: ReadonlySet<string> = new Set(['/livez', '/readyz', '/health', '/metrics']);

/** One line a request: no query, no body, no address of the photo. */
function logRequests(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const { method } = request;
    const route = request.routeOptions.url ?? 'unknown';
    // Probes and scrapers ask every few seconds: they would bury what people asked.
    const level = PROBED.has(route) ? 'debug' : 'info';
    const ms = Math.round(reply.elapsedTime * 10) / 10;
    request.log[level]({ method, route, status: reply.statusCode, ms }, 'request');
  });
}

/** The logger of the service: one JSON document a line. */
export function openLogger(config: Config, destination?: DestinationStream): Logger {
  const options = { level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Node looks for requests that take too long only so often; 30 s unless told. */
const CHECK_CONNECTIONS_MS = 1000;

export type App = FastifyInstance;

/** A Fastify instance with Kith's limits, ids, log and problem documents, and no route yet. */
export function createApp(config: Config, logger: Logger, onFault: (code: FaultCode) => void): App {
  const log: FastifyBaseLogger = logger;
  const limit = config.requestSeconds * 1000;
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    bodyLimit: jsonLimit(config),
    // A client that trickles its bytes is cut off; so is one that opens a connection and says nothing.
    requestTimeout: limit,
    connectionTimeout: limit * 2,
    keepAliveTimeout: 10_000,
    // What arrived before the end is still answered: a rolling restart loses nothing.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    http: { connectionsCheckingInterval: CHECK_CONNECTIONS_MS, headersTimeout: Math.min(limit, 10_000) },
    routerOptions: { maxParamLength: 300 },
  });
  void app.register(multipart, { limits: { fileSize: config.maxPhotoBytes, files: 2, fields: 10, fieldSize: 4096 } });
  acceptRawPhotos(app, config);
  cancelSlowRequests(app, limit);
  logRequests(app);
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  const answer = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const fault = toFault(thrown, request.id);
    onFault(fault.code);
    if (fault.code === 'internal') request.log.error({ err: thrown }, 'unforeseen fault');
    return sendProblem(fault, request, reply);
  };
  app.setErrorHandler(answer);
  app.setNotFoundHandler((request, reply) =>
    answer(new KithError('route-unknown', { method: request.method }), request, reply),
  );
  return app;
}
