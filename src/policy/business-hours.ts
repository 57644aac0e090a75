import type { EpochSeconds } from '../base/clock.ts'
import type { BusinessHours } from './document.ts'

const weekdays: readonly (string | undefined)[] = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const minuteSeconds = 60

/**
 * Prepares the question whether an instant is within business hours. The local time is worked out once a minute: it is
 * the most expensive thing that a rule can ask.
 *
 * @throws RangeError for a time zone that is not known
 */
export function createBusinessHours(hours: BusinessHours): (now: EpochSeconds) => boolean {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: hours.timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  })
  let known: { readonly minute: number; readonly isOpen: boolean } | undefined

  const isOpen = (now: EpochSeconds): boolean => {
    const parts = Object.fromEntries(format.formatToParts(now * 1000).map(({ type, value }) => [type, value]))
    const day = weekdays.indexOf(parts['weekday'])
    const minute = Number(parts['hour']) * 60 + Number(parts['minute'])
    return hours.days.includes(day) && minute >= hours.fromMinute && minute < hours.toMinute
  }

  return now => {
    const minute = Math.floor(now / minuteSeconds)
    if (known?.minute !== minute) known = { minute, isOpen: isOpen(now) }
    return known.isOpen
  }
}
