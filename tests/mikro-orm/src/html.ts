const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text that is HTML already. */
export class Html {
  constructor(readonly text: string) {}
}

type Part = Html | string | number | bigint | null | false | readonly Html[];

/** A template whose values are escaped, unless they are HTML; null and false are nothing. */
export function html(texts: TemplateStringsArray, ...values: Part[]): Html {
  const shown = (value: Part): string => {
    if (value === null || value === false) {
      return '';
    }
    if (value instanceof Html) {
      return value.text;
    }
    return Array.isArray(value) ? value.map(shown).join('') : String(value).replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);
  };
  return new Html(texts.reduce((text, part, place) => text + shown(values[place - 1] ?? null) + part));
}
