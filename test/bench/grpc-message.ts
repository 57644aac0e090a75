/** A gRPC message on the wire: not compressed, its length in four bytes, and so many bytes of it. */
export function grpcMessage(bytes: number): Buffer {
  const message = Buffer.alloc(5 + bytes, 'x')
  message.writeUInt8(0, 0)
  message.writeUInt32BE(bytes, 1)
  return message
}
