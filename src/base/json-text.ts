const beyondPlain = /[<\x7f-\uffff]/g

/**
 * JSON in printable ASCII: whatever a viewer, a terminal or an 8-bit reader could take for an end of line, an escape
 * sequence, a change of writing direction or markup is `\u` and four digits (U+2028, DEL, C1 controls, bidirectional
 * controls, `<`). Reads back as the same value.
 */
export function asciiJson(value: object | string): string {
  const json = JSON.stringify(value)
  // Three scans in native code take a tenth of the time that the pattern needs.
  const isPlain = Buffer.byteLength(json) === json.length && !json.includes('<') && !json.includes('\x7f')
  return isPlain ? json : json.replace(beyondPlain, escapeUnit)
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
