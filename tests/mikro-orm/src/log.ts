/** What happened, and the error, if any. */
export type Log = (event: string, error?: unknown) => void;

export interface Failed {
  message: string;
  code?: string;
}

/** Of an error of the database `code` is its SQLSTATE. */
export function described(error: unknown): Failed {
  const { message, code } = error as { message?: unknown; code?: unknown };
  return { message: String(message ?? error), ...(typeof code === 'string' ? { code } : {}) };
}

export const logToConsole: Log = (event, error) =>
  console.error(JSON.stringify({ at: new Date().toISOString(), event, ...(error === undefined ? {} : described(error)) }));
