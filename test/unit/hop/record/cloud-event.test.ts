import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCloudEventWriter } from '../../../../src/hop/record/cloud-event.ts'
import type { AuditEvent } from '../../../../src/model/audit-event.ts'
import { anAuditEvent, aRefusedEvent, inboundFacts, outboundFacts } from '../../../support/audit-event.ts'

const write = createCloudEventWriter('orders')
const read = (event: AuditEvent) => JSON.parse(write(event))

describe('the CloudEvents line', () => {
  it('tells all that is known of a hop, with the names of the RFCs', () => {
    expect(read(anAuditEvent())).toEqual({
      specversion: '1.0',
      id: '01a31a4b-4c00-7000-8000-000000000001',
      source: '/hopgate/orders',
      type: 'io.hopgate.hop.forwarded.v1',
      time: '2027-01-15T08:00:00.250Z',
      subject: 'GET /orders/**',
      datacontenttype: 'application/json',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
      data: {
        request_id: 'request-1',
        trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
        method: 'GET',
        path: '/orders/17',
        peer: '192.0.2.7',
        status: 200,
        decision: { rule: 'route GET /orders/**', effect: 'permit' },
        delivery: { status: 200, upstream_us: 1500, bytes_in: 0, bytes_out: 2, complete: true },
        stage_us: { accept: 10, authenticate: 4, authorize: 2, exchange: 3, forward: 1600 },
        inbound: {
          iss: 'https://login.test',
          sub: 'alice',
          client_id: 'shop-web',
          subject_kind: 'user',
          scope: 'openid orders:read',
          act: { sub: 'gateway', act: { sub: 'shop-web' } },
          jti: 'jti-1',
          fingerprint: 'fingerprint-1',
        },
        outbound: {
          aud: 'orders-api',
          scope: 'orders:read',
          act: { sub: 'orders', act: { sub: 'gateway', act: { sub: 'shop-web' } } },
          exp: 1_800_000_300,
          jti: 'jti-2',
          source: 'memory',
          fingerprint: 'fingerprint-2',
        },
      },
    })
  })

  it('leaves out what is not known', () => {
    expect(read(aRefusedEvent())).toEqual({
      specversion: '1.0',
      id: '01a31a4b-4c00-7000-8000-000000000001',
      source: '/hopgate/orders',
      type: 'io.hopgate.hop.refused.v1',
      time: '2027-01-15T08:00:00.250Z',
      datacontenttype: 'application/json',
      data: {
        request_id: 'request-1',
        method: 'GET',
        path: '/orders/17',
        peer: '192.0.2.7',
        status: 404,
        refusal: 'route.not_found',
        detail: 'no route matches',
        stage_us: { accept: 20 },
      },
    })
    const bare = inboundFacts({ clientId: undefined, actors: [], tokenId: undefined })
    expect(read(anAuditEvent({ inbound: bare, outbound: undefined })).data).toMatchObject({
      inbound: { iss: 'https://login.test', sub: 'alice', scope: 'openid orders:read' },
    })
    expect(Object.keys(read(anAuditEvent({ inbound: bare })).data.inbound)).toEqual([
      'iss',
      'sub',
      'subject_kind',
      'scope',
      'fingerprint',
    ])
  })

  it('has one type for each outcome', () => {
    const types = (['forwarded', 'answered', 'refused', 'failed'] as const).map(
      outcome => read(anAuditEvent({ outcome })).type,
    )
    expect(types).toEqual([
      'io.hopgate.hop.forwarded.v1',
      'io.hopgate.hop.answered.v1',
      'io.hopgate.hop.refused.v1',
      'io.hopgate.hop.failed.v1',
    ])
  })

  it('does not mix up events that share some of their facts', () => {
    const inbound = inboundFacts()
    const first = outboundFacts({ source: 'issued' })
    const second = outboundFacts({ audience: 'billing-api', source: 'memory' })
    const one = read(anAuditEvent({ inbound, outbound: first, route: 'a' }))
    const two = read(anAuditEvent({ inbound, outbound: second, route: 'b', outcome: 'failed' }))
    const three = read(anAuditEvent({ inbound: inboundFacts({ subject: 'bob' }), outbound: first }))
    expect([one.subject, one.data.outbound.aud, one.data.outbound.source]).toEqual([
      'a',
      'orders-api',
      'issued',
    ])
    expect([two.subject, two.data.outbound.aud, two.data.outbound.source]).toEqual([
      'b',
      'billing-api',
      'memory',
    ])
    expect([one.data.inbound, two.data.inbound]).toEqual([one.data.inbound, one.data.inbound])
    expect(three.data.inbound.sub).toBe('bob')
    expect(three.data.outbound).toEqual(one.data.outbound)
  })

  it('writes times in UTC with milliseconds, in any order', () => {
    const times = [0, 1_800_000_000, 1_800_000_000.001, 1_800_000_000.999, 1_800_000_001.1, 5].map(
      at => read(anAuditEvent({ at })).time,
    )
    expect(times).toEqual([
      '1970-01-01T00:00:00.000Z',
      '2027-01-15T08:00:00.000Z',
      '2027-01-15T08:00:00.001Z',
      '2027-01-15T08:00:00.999Z',
      '2027-01-15T08:00:01.100Z',
      '1970-01-01T00:00:05.000Z',
    ])
  })

  it('names the service as a URI reference', () => {
    const named = createCloudEventWriter('näm/e "x"')
    expect(JSON.parse(named(anAuditEvent())).source).toBe('/hopgate/n%C3%A4m%2Fe%20%22x%22')
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300])('stays JSON when a number is %s', number => {
    const line = write(
      anAuditEvent({
        at: number,
        status: number,
        outbound: outboundFacts({ expiresAt: number }),
        delivery: { status: number, upstreamMs: number, bytesIn: number, bytesOut: number, complete: false },
        stageMs: { accept: number },
      }),
    )
    expect(JSON.parse(line).data.stage_us).toEqual({ accept: 0 })
  })

  it('is one line of printable ASCII that reads back exactly, whatever the strings are', () => {
    const text = fc.string({
      unit: fc.integer({ min: 0, max: 0xffff }).map(unit => String.fromCharCode(unit)),
    })
    fc.assert(
      fc.property(text, text, text, fc.array(text, { maxLength: 4 }), (a, b, c, actors) => {
        const event = anAuditEvent({
          path: a,
          detail: b,
          requestId: c,
          method: b,
          peer: c,
          decision: { rule: a, effect: 'deny' },
          inbound: inboundFacts({ subject: a, issuer: b, scope: c, tokenId: b, actors }),
          outbound: outboundFacts({ audience: c, fingerprint: a }),
        })
        const line = write(event)
        expect(line).toMatch(/^[\x20-\x7e]+$/)
        const { data } = JSON.parse(line)
        expect([data.path, data.detail, data.request_id, data.method, data.peer]).toEqual([a, b, c, b, c])
        expect([data.decision.rule, data.inbound.sub, data.inbound.iss]).toEqual([a, a, b])
        expect([data.inbound.scope, data.inbound.jti, data.outbound.aud]).toEqual([c, b, c])
      }),
    )
  })
})
