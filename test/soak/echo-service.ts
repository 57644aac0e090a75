import type { MethodDefinition } from '@grpc/grpc-js'

const asItIs = (bytes: Buffer): Buffer => bytes

const method = (name: string, isStream: boolean): MethodDefinition<Buffer, Buffer> => ({
  path: `/soak.Echo/${name}`,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
})

/** A gRPC service of bytes: one call and answer, and a conversation. */
export const echoService = { Say: method('Say', false), Talk: method('Talk', true) }
