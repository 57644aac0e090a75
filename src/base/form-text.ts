const plain = /^[A-Za-z0-9*\-._]*$/
const differently = /[!'()~]|%20/g

/** What `URLSearchParams.toString` makes of a form, in a fraction of its time for the long plain texts that tokens are. */
export function formText(form: URLSearchParams): string {
  let text = ''
  for (const [name, value] of form)
    text += `${text === '' ? '' : '&'}${encodePart(name)}=${encodePart(value)}`
  return text
}

function encodePart(text: string): string {
  return plain.test(text) ? text : encodeURIComponent(text).replace(differently, escapePart)
}

function escapePart(part: string): string {
  return part === '%20' ? '+' : `%${part.charCodeAt(0).toString(16).toUpperCase()}`
}
