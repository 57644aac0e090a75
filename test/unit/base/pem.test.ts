import { describe, expect, it } from 'vitest'
import { readPemBlocks } from '../../../src/base/pem.ts'

const block = (label: string, body = 'QUJD') => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`

describe('readPemBlocks', () => {
  it('splits a file and leaves out what stands between the blocks', () => {
    const text = `Subject: CN=a\r\n${block('CERTIFICATE')}\n# a comment\n${block('EC PRIVATE KEY').replaceAll('\n', '  \r\n')}`
    expect(readPemBlocks(text)).toEqual({
      ok: true,
      value: [
        { label: 'CERTIFICATE', text: block('CERTIFICATE') },
        { label: 'EC PRIVATE KEY', text: block('EC PRIVATE KEY') },
      ],
    })
  })

  it('takes the last line without a line end', () => {
    expect(readPemBlocks(block('X').trimEnd())).toEqual({
      ok: true,
      value: [{ label: 'X', text: block('X') }],
    })
  })

  it('has no blocks where there are none', () => {
    expect(readPemBlocks('hello\n-- a\n')).toEqual({ ok: true, value: [] })
  })

  it.each([
    ['is empty', ''],
    ['is empty', ' \n\t\n'],
    ['is cut', block('X').slice(0, -10)],
    ['is cut', `${block('X')}-----BEGIN X-----\nQUJD\n`],
    ['is cut', `-----BEGIN X-----\nQUJD\n${block('X')}`],
    ['is cut', `QUJD\n-----END X-----\n${block('X')}`],
    ['is cut', '-----BEGIN X-----\nQUJD\n-----END Y-----\n'],
    ['is cut', '-----BEGIN X----\nQUJD\n-----END X-----\n'],
    ['is cut', '-----BEGIN x-----\nQUJD\n-----END x-----\n'],
  ])('refuses a file that %s: %j', (wrong, text) => {
    const error = wrong === 'is empty' ? wrong : 'holds a PEM block that is cut or broken'
    expect(readPemBlocks(text)).toEqual({ ok: false, error })
  })
})
