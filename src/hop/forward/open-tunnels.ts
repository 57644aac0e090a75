/** An upgraded connection, from the caller through to upstream. */
export interface OpenTunnel {
  /** Says goodbye to both ends, and closes them soon. */
  goAway(): void
}

/**
 * The upgraded connections that are open. They outlive the configuration that they were opened with, so they are kept
 * by the process.
 */
export class OpenTunnels {
  readonly #tunnels = new Set<OpenTunnel>()
  #isGoingAway = false

  /** @returns to be called when it is closed */
  add(tunnel: OpenTunnel): () => void {
    this.#tunnels.add(tunnel)
    if (this.#isGoingAway) tunnel.goAway()
    return () => this.#tunnels.delete(tunnel)
  }

  /** Ends all, and those that are opened yet. */
  goAway(): void {
    this.#isGoingAway = true
    for (const tunnel of this.#tunnels) tunnel.goAway()
  }
}
