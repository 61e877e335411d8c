// What comes from outside, as what it should be. Whatever it is not is the client's error.
import { HttpError } from './http-error.js';

const MOST_LISTED = 50;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function id(value: unknown, what: string): bigint {
  // Eighteen digits fit into a bigint. A JSON number above 2^53 may have lost some, so it must be a string.
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string' || !/^[0-9]{1,18}$/.test(text)) {
    throw new HttpError(400, `${what}: debe ser un número entero`);
  }
  return BigInt(text);
}

export function uuid(value: unknown, what: string): string {
  if (typeof value !== 'string' || !UUID.test(value)) {
    throw new HttpError(400, `${what}: debe ser un UUID`);
  }
  return value;
}

export function wholeNumber(value: unknown, what: string, least: number, most: number): number {
  const number = typeof value === 'string' && /^[0-9]{1,9}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most) {
    throw new HttpError(400, `${what}: debe ser un número entero de ${least} a ${most}`);
  }
  return number;
}

export const limit = (value: unknown): number => (value === undefined ? 10 : wholeNumber(value, 'limite', 1, MOST_LISTED));

/** The field of a JSON object. */
export function field(body: unknown, name: string): unknown {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) {
    throw new HttpError(400, `falta ${name} en el cuerpo, que debe ser JSON`);
  }
  return (body as Record<string, unknown>)[name];
}
