import { expect, it } from 'vitest'
import { isGrpc, parseGrpcTimeout } from '../../../src/base/grpc-request.ts'

it.each([
  'application/grpc',
  'application/grpc+proto',
  'Application/GRPC',
  'application/grpc; charset=x',
  'application/grpc+json',
])('takes %j for gRPC', type => expect(isGrpc(type)).toBe(true))

it.each([
  'application/grpc-web',
  'application/grpc-web+proto',
  'application/grpcx',
  'text/plain',
  '',
  'x application/grpc',
])('does not take %j for gRPC', type => expect(isGrpc(type)).toBe(false))

it.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['4m', 4],
  ['500u', 0.5],
  ['1000000n', 1],
  ['99999999H', 99_999_999 * 3_600_000],
  ['0m', 0],
])('reads %s', (text, ms) => expect(parseGrpcTimeout(text)).toBeCloseTo(ms))

it.each([
  '',
  'm',
  '1',
  '1s',
  '1 S',
  ' 1S',
  '1S ',
  '-1S',
  '+1S',
  '1.5S',
  '123456789S',
  '1S, 2S',
  '0x1S',
  '1h',
])('takes %j for none', text => expect(parseGrpcTimeout(text)).toBeUndefined())
