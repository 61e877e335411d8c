import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Request, Response } from 'express';
import { HttpError } from './http-error.js';

const COOKIE = 'sesion';
const LIFETIME = 86_400_000;

/** Who asks is in a cookie that only this site can have signed: reader, end and signature. */
export class Sessions {
  constructor(private readonly secret: string) {}

  begin(response: Response, reader: bigint): void {
    const content = `${reader}.${Date.now() + LIFETIME}`;
    response.cookie(COOKIE, `${content}.${this.signature(content)}`, { httpOnly: true, sameSite: 'strict', maxAge: LIFETIME });
  }

  end(response: Response): void {
    response.clearCookie(COOKIE, { httpOnly: true, sameSite: 'strict' });
  }

  reader(request: Request): bigint {
    const reader = this.readerOrNull(request);
    if (reader === null) {
      throw new HttpError(401, 'sin sesión');
    }
    return reader;
  }

  readerOrNull(request: Request): bigint | null {
    const found = (request.headers.cookie ?? '').match(/(?:^|;\s*)sesion=([0-9]{1,18})\.([0-9]{1,15})\.([\w-]{43})(?:;|$)/);
    if (!found) {
      return null;
    }
    const [, reader, end, signature] = found;
    const right = timingSafeEqual(Buffer.from(signature!), Buffer.from(this.signature(`${reader}.${end}`)));
    return right && Number(end) > Date.now() ? BigInt(reader!) : null;
  }

  private signature(content: string): string {
    return createHmac('sha256', this.secret).update(content).digest('base64url');
  }
}
