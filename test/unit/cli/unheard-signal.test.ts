import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { endAtUnheardSignal } from '../../../src/cli/unheard-signal.ts'

function createTarget(pid: number) {
  const emitter = new EventEmitter()
  const statuses: (number | undefined)[] = []
  const exit = (status?: number) => void statuses.push(status)
  const target = Object.assign(emitter, { pid, exit }) as unknown as NodeJS.Process
  endAtUnheardSignal(target)
  return { emitter, statuses }
}

describe('a signal that nobody listens to', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ])('ends the first process of a container: %s', (signal, status) => {
    const { emitter, statuses } = createTarget(1)
    emitter.emit(signal, signal)
    expect(statuses).toEqual([status])
  })

  it('is left to who listens to it, also when that began later', () => {
    const { emitter, statuses } = createTarget(1)
    const heard: string[] = []
    emitter.on('SIGTERM', signal => heard.push(signal))
    emitter.emit('SIGTERM', 'SIGTERM')
    expect([statuses, heard]).toEqual([[], ['SIGTERM']])
  })

  it('is left to the kernel in every other process', () => {
    const { emitter } = createTarget(2)
    expect(emitter.eventNames()).toEqual([])
  })
})
