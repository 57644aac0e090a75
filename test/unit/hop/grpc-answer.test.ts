import { describe, expect, it } from 'vitest'
import type { CallerResponse } from '../../../src/base/http-caller.ts'
import { grpcFields, isGrpcCall } from '../../../src/hop/grpc-answer.ts'
import { createRefuse } from '../../../src/hop/refuse.ts'
import { type RefusalAnswer, type RefusalCode, refusal, refusals } from '../../../src/model/refusal.ts'

const statusOf = (answer: RefusalAnswer): string | undefined => {
  const fields = grpcFields(answer)
  return fields[fields.indexOf('grpc-status') + 1]
}

describe('the answer to a gRPC call', () => {
  it.each<[RefusalCode, number]>([
    ['request.malformed', 13],
    ['token.missing', 16],
    ['token.invalid', 16],
    ['policy.denied', 7],
    ['route.not_found', 12],
    ['request.header_too_large', 8],
    ['request.body_too_large', 8],
    ['request.timeout', 4],
    ['upstream.timeout', 4],
    ['upstream.unreachable', 14],
    ['exchange.unavailable', 14],
    ['internal', 13],
  ])('for %s has the status %i', (code, expected) => {
    expect(statusOf(refusals[code])).toBe(String(expected))
  })

  it('is an error for every refusal there is', () => {
    for (const answer of Object.values(refusals)) expect(Number(statusOf(answer))).toBeGreaterThan(0)
  })

  it('has the title in the coding of grpc-message', () => {
    expect(grpcFields({ status: 404, title: 'No such route' })).toContain('No such route')
    expect(grpcFields({ status: 404, title: '100% für\n' })).toContain('100%25 f%C3%BCr%0A')
  })
})

describe('a gRPC call', () => {
  const call = (contentType: string, httpVersion = '2.0') =>
    isGrpcCall({ httpVersion, rawHeaders: ['te', 'trailers', 'content-type', contentType] })

  it.each(['application/grpc', 'application/grpc+proto', 'application/grpc;x=y', 'Application/gRPC'])(
    'is one by its content type %s',
    contentType => {
      expect(call(contentType)).toBe(true)
    },
  )

  it.each([
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpcx',
    'application/json',
    '',
  ])('is none by the content type %j', contentType => {
    expect(call(contentType)).toBe(false)
  })

  it('is none without HTTP/2 or a content type', () => {
    expect(call('application/grpc', '1.1')).toBe(false)
    expect(isGrpcCall({ httpVersion: '2.0', rawHeaders: [] })).toBe(false)
  })
})

describe('a refusal', () => {
  /** What is written to a caller whose request has these fields. */
  const refusedWith = (rawHeaders: readonly string[]) => {
    const written: unknown[] = []
    const response = {
      req: { method: 'POST', httpVersion: '2.0', rawHeaders },
      shouldKeepAlive: true,
      headersSent: false,
      destroyed: false,
      writeHead: (status: number, _phrase: string, fields: string[]) => written.push(status, fields),
      end: (...body: unknown[]) => written.push(body),
    } as unknown as CallerResponse
    createRefuse({ realm: 'orders' })(response, refusal('token.missing', 'none'), 'request-1')
    return written
  }
  const kept = [
    'Cache-Control',
    'no-store',
    'X-Request-Id',
    'request-1',
    'WWW-Authenticate',
    'Bearer realm="orders"',
  ]

  it('of a gRPC call is a header section alone, challenge included', () => {
    const said = [
      'Content-Type',
      'application/grpc',
      'grpc-status',
      '16',
      'grpc-message',
      'Authentication required',
    ]
    expect(refusedWith(['content-type', 'application/grpc'])).toEqual([200, [...said, ...kept], []])
  })

  it('of any other call is a problem', () => {
    const [status, fields, body] = refusedWith(['content-type', 'application/json'])
    expect(status).toBe(401)
    expect(fields).toEqual(expect.arrayContaining([...kept, 'application/problem+json']))
    expect(body).toEqual([expect.stringContaining('"token.missing"'), 'utf8'])
  })
})
