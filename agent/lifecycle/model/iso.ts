const DAY_MS = 86_400_000;

/** The calendar time of wall clock milliseconds, as people read it (UTC), without asking a clock: `2026-11-29T18:00:00Z`. */
export function isoOf(wallMs: number): string {
  const days = Math.floor(wallMs / DAY_MS);
  const seconds = Math.floor((wallMs - days * DAY_MS) / 1_000);
  // Days since 1 March of the year 0, in eras of 400 years: a leap day is then the last one of its year.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const ofEra = shifted - era * 146_097;
  const year = Math.floor(
    (ofEra - Math.floor(ofEra / 1_460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * month + 2) / 5) + 1;
  const date = [year + era * 400 + (month >= 10 ? 1 : 0), ((month + 2) % 12) + 1, day].map(two).join('-');
  const time = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':');
  return `${date}T${time}Z`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
