import type { ErrorRequestHandler } from 'express';
import { described, type Log } from './log.js';

/** An error that its client may read. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** Every error is JSON. An error that nobody expected is logged and not told. */
export const errorsAsJson = (log: Log): ErrorRequestHandler => (error: unknown, request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  const status = statusOf(error);
  if (status >= 500 && !(error instanceof HttpError)) {
    log(`${request.method} ${request.path}`, error);
  }
  const message = status < 500 || error instanceof HttpError ? described(error).message : 'error interno';
  response.status(status).json({ error: { status, message } });
};

/** Express and its parser of bodies give their errors a status, too. */
function statusOf(error: unknown): number {
  const { status } = error as { status?: unknown };
  return typeof status === 'number' && status >= 400 && status < 600 ? status : 500;
}
