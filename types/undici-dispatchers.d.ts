// undici's index loads fetch, WebSocket and caches as well. A sidecar begins to listen sooner with the one dispatcher that
// its data path uses; undici has no `exports` map, and ships types for its index only.

declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici'
  export default Pool
}
