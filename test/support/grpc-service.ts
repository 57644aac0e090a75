import {
  type Client,
  type ClientOptions,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'

/** Messages are bytes: neither side needs a schema. */
export const asBytes = (message: Buffer): Buffer => message
const method = (path: string, requestStream: boolean, responseStream: boolean) => ({
  path,
  requestStream,
  responseStream,
  requestSerialize: asBytes,
  requestDeserialize: asBytes,
  responseSerialize: asBytes,
  responseDeserialize: asBytes,
})

/** A method of each of the four kinds, and two more under names that other routes are for. */
export const orders: ServiceDefinition = {
  get: method('/shop.Orders/Get', false, false),
  list: method('/shop.Orders/List', false, true),
  put: method('/shop.Orders/Put', true, false),
  talk: method('/shop.Orders/Talk', true, true),
  openGet: method('/public.Orders/Get', false, false),
  slowGet: method('/slow.Orders/Get', false, false),
}

/** A gRPC server without TLS. */
export interface GrpcServer {
  readonly port: number
  close(): void
}

export async function startGrpcServer(
  implementation: UntypedServiceImplementation,
  options: ServerOptions = {},
  port = 0,
): Promise<GrpcServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, ...options })
  server.addService(orders, implementation)
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    )
  })
  return { port: bound, close: () => server.forceShutdown() }
}

/** A client of {@link orders}, with a connection of its own. */
export function createGrpcClient(port: number, options: ClientOptions = {}): Client {
  const Orders = makeGenericClientConstructor(orders, 'Orders')
  return new Orders(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    ...options,
  })
}

/** Metadata with fields. */
export function metadataOf(fields: Readonly<Record<string, string | Buffer>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(fields)) metadata.set(name, value)
  return metadata
}

/** What came of a call with one answer. */
export interface UnaryOutcome {
  readonly message: Buffer | undefined
  readonly error: ServiceError | undefined
  readonly headers: Metadata | undefined
  readonly status: StatusObject | undefined
}

/** Calls `/shop.Orders/Get`. */
export function callGet(
  client: Client,
  message: Buffer,
  metadata = new Metadata(),
  options: { readonly deadline?: Date } = {},
  path = '/shop.Orders/Get',
): Promise<UnaryOutcome> {
  return new Promise(resolve => {
    let [headers, status]: [Metadata | undefined, StatusObject | undefined] = [undefined, undefined]
    let answered: { message: Buffer | undefined; error: ServiceError | undefined } | undefined
    const settle = (): void => {
      if (answered !== undefined && status !== undefined) resolve({ ...answered, headers, status })
    }
    client
      .makeUnaryRequest<Buffer, Buffer>(
        path,
        asBytes,
        asBytes,
        message,
        metadata,
        options,
        (error, answer) => {
          answered = { message: answer, error: error ?? undefined }
          settle()
        },
      )
      .on('metadata', received => {
        headers = received
      })
      .on('status', received => {
        status = received
        settle()
      })
  })
}
