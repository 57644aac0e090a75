const special: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/**
 * A text as the content or a quoted attribute of HTML and XML 1.0. What XML cannot hold even as a reference (control
 * characters, lone surrogates, U+FFFE and U+FFFF) becomes U+FFFD.
 */
export function escapeMarkup(text: string): string {
  return text
    .toWellFormed()
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]/g, '\ufffd')
    .replace(/[&<>"']/g, character => special[character] ?? '')
}
