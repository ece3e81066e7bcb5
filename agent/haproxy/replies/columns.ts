/** The names of an answer's columns, which come and go between versions of HAProxy. */
export interface Columns {
  /** How many fields a row has. */
  readonly count: number;
  /** The field of this name in a row; undefined where this HAProxy has no such column. */
  field(row: readonly string[], name: string): string | undefined;
}

/**
 * @param names as the header gives them
 * @returns null where one has no name, or two have the same: which of them is meant is unknown
 */
export function columnsOf(names: readonly string[]): Columns | null {
  const places = new Map(names.map((name, place) => [name, place]));
  if (places.size < names.length || places.has('')) return null;
  return {
    count: names.length,
    field(row, name) {
      const place = places.get(name);
      return place === undefined ? undefined : row[place];
    },
  };
}

/** A whole number of 0 or more as HAProxy writes it, without zeros before it; null for anything else. */
export function parseCount(text: string | undefined): number | null {
  if (text === undefined || !/^(0|[1-9]\d{0,14})$/.test(text)) return null;
  return Number(text);
}
