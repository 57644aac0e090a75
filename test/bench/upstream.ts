import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findFreePort } from '../../src/assemble/demo/ports.ts'
import { findProgram } from './programs.ts'
import { type RunningProcess, startProcess } from './server-process.ts'

/** The service behind every contestant. */
export interface Upstream {
  readonly url: string
  readonly port: number
  readonly process: RunningProcess
}

/** Sizes in bytes for which `/orders/SIZE` answers with a body of that size, to GET and POST alike. */
export const bodySizes = [4_096, 1_048_576] as const

/** Runs nginx as the upstream: one worker, a 100-byte answer everywhere else, keep-alive without end. */
export async function startUpstream(folder: string, cpu: number): Promise<Upstream> {
  const prefix = join(folder, 'upstream')
  const bodies = join(prefix, 'orders')
  mkdirSync(bodies, { recursive: true })
  for (const size of bodySizes) writeFileSync(join(bodies, String(size)), 'x'.repeat(size))
  const port = await findFreePort()
  const file = join(prefix, 'nginx.conf')
  // A file answers GET only; the error page makes it answer POST, after the request body was read to its end.
  const files = bodySizes.map(
    size =>
      `location = /orders/${size} { root ${prefix}; error_page 405 =200 $uri; client_max_body_size 2m; }`,
  )
  writeFileSync(
    file,
    `${ownUser} daemon off; worker_processes 1; pid ${prefix}/nginx.pid; error_log ${prefix}/error.log;
     events { worker_connections 4096; }
     http {
       access_log off; keepalive_requests 1000000000; keepalive_timeout 300s; open_file_cache max=16;
       ${temporaryFolders(prefix)}
       server {
         listen 127.0.0.1:${port}; default_type text/plain;
         ${files.join('\n         ')}
         location / { return 200 "${'x'.repeat(100)}"; }
       }
     }`,
  )
  const command = [findProgram('nginx') ?? 'nginx', '-p', prefix, '-e', `${prefix}/error.log`, '-c', file]
  const process = await startProcess({ name: 'upstream', command, port }, cpu)
  return { url: `http://127.0.0.1:${port}`, port, process }
}

/** Started by root, nginx would read our files as somebody who may not. */
export const ownUser = process.getuid?.() === 0 ? 'user root;' : ''

/** nginx's own folders, all below one. */
export function temporaryFolders(prefix: string): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${prefix}/${name};`)
    .join(' ')
}
