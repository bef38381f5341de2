import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { KithError } from '../errors.js';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** RFC 9457, with the catalogue's code beside the standard members. */
export interface Problem {
  /** Relative to the service: its own page of faults. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly hint?: string;
}

export function toProblem(error: KithError, requestId: string): Problem {
  return {
    type: `/docs#${error.code}`,
    title: error.code.replaceAll('-', ' '),
    status: error.status,
    detail: error.message,
    instance: `urn:kith:request:${requestId}`,
    code: error.code,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}

/** What the framework found wrong with a request, in the catalogue's words; `null` when it is not the request's fault. */
function requestFault(error: FastifyError): KithError | null {
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
    case 'FST_REQ_FILE_TOO_LARGE':
      return new KithError('request-too-large', {}, { cause: error });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new KithError('request-media-type', {}, { cause: error });
    default:
      return error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
        ? new KithError('request-body', { problem: error.message.toLowerCase() }, { cause: error })
        : null;
  }
}

const isFastifyError = (error: unknown): error is FastifyError =>
  error instanceof Error && 'code' in error && typeof error.code === 'string';

/** Any thrown value as a catalogued fault. An unforeseen one tells its caller nothing but where to look. */
export function toFault(thrown: unknown, requestId: string): KithError {
  if (thrown instanceof KithError) return thrown;
  const known = isFastifyError(thrown) ? requestFault(thrown) : null;
  return known ?? new KithError('internal', { what: `see the log of request ${requestId}` }, { cause: thrown });
}

/** Answers with the problem document of a fault, Retry-After included. */
export function sendProblem(fault: KithError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // The rest of a body that was too slow is not waited for.
  if (fault.code === 'request-timeout') reply.header('connection', 'close');
  if (fault.retryAfter !== undefined) reply.header('retry-after', fault.retryAfter);
  return reply.code(fault.status).type(PROBLEM_TYPE).send(toProblem(fault, request.id));
}
