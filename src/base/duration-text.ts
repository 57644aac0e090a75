/** A duration in seconds as a configuration would say it, in the largest unit that fits: `90s`, `15m`, `24h`. */
export function formatDuration(seconds: number): string {
  if (seconds >= 3_600 && seconds % 3_600 === 0) return `${seconds / 3_600}h`
  return seconds >= 60 && seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`
}
