/** Resolves with the first SIGTERM or SIGINT. A second one does not wait for the drain: it ends the process. */
export function terminationSignal(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let isFirst = true
    const onSignal = (signal: NodeJS.Signals): void => {
      if (!isFirst) process.exit(1)
      isFirst = false
      resolve(signal)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
