import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Runs nginx as the upstream of every peer: one worker, a 100-byte answer, keep-alive without end. */
export async function startUpstream(
  folder: string,
  port: number,
  cpu: number,
): Promise<{ stop(): Promise<void> }> {
  const prefix = join(folder, 'nginx')
  mkdirSync(prefix, { recursive: true })
  const file = join(prefix, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${prefix}/nginx.pid; error_log ${prefix}/error.log;
     events { worker_connections 4096; }
     http {
       access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
       client_body_temp_path ${prefix}/body; proxy_temp_path ${prefix}/proxy; fastcgi_temp_path ${prefix}/fcgi;
       uwsgi_temp_path ${prefix}/uwsgi; scgi_temp_path ${prefix}/scgi;
       server { listen 127.0.0.1:${port}; default_type text/plain; location / { return 200 "${'x'.repeat(100)}"; } }
     }`,
  )
  const child = spawn('taskset', ['-c', String(cpu), 'nginx', '-p', prefix, '-c', file], { stdio: 'ignore' })
  child.on('error', () => {})
  return {
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGQUIT')
      await once(child, 'exit')
    },
  }
}
