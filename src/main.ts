#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { runCommand } from './cli/dispatch.ts'
import { endAtUnheardSignal } from './cli/unheard-signal.ts'

// First of all: what is loaded from here on takes most of the start.
endAtUnheardSignal()

// Beside the code, for whoever may write there; in the image it is filled and nobody may. What lies in it is run, so it
// cannot be in a folder that others share, which Node's own choice is.
enableCompileCache({ directory: join(import.meta.dirname, '../.compile-cache'), portable: true })

// No `await` at the top: the bundle is CommonJS.
void runCommand(process.argv.slice(2), process).then(code => {
  process.exitCode = code
})
