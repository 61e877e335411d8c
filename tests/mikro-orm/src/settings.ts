// What the site takes from its environment.

export interface Settings {
  /** The feature flag: without it the rules answer, and reco is not asked. */
  recoEnabled: boolean;
  /** How long reco may take before the rules answer instead, in milliseconds. */
  recoTimeout: number;
  /** What signs the cookie of a session. */
  sessionSecret: string;
  /** Whether anybody may enter as anybody, as in a test. Without it another part of the site issues the cookie. */
  openLogin: boolean;
}

export function databaseUrl(): string {
  const url = process.env.DATABASE_URL ?? process.env.RECO_TCP_URL;
  if (!url) {
    throw new Error('DATABASE_URL is not set, such as postgres://sitio:secret@127.0.0.1:5432/sitio');
  }
  return url;
}

export function settings(environment: NodeJS.ProcessEnv): Settings {
  const timeout = Number(environment.RECO_TIMEOUT_MS ?? 300);
  if (!Number.isInteger(timeout) || timeout < 1) {
    throw new Error(`RECO_TIMEOUT_MS is ${environment.RECO_TIMEOUT_MS}, and must be a whole number of milliseconds above 0`);
  }
  const sessionSecret = environment.SESSION_SECRET ?? '';
  if (sessionSecret.length < 16) {
    throw new Error('SESSION_SECRET must have at least 16 characters');
  }
  return {
    recoEnabled: !['off', 'false', '0'].includes(environment.RECO_ENABLED ?? 'on'),
    recoTimeout: timeout,
    sessionSecret,
    openLogin: environment.OPEN_LOGIN === 'on',
  };
}
