#!/usr/bin/env node
import { runCommand } from './cli/dispatch.ts'

// No `await` at the top: the bundle is CommonJS.
void runCommand(process.argv.slice(2), process).then(code => {
  process.exitCode = code
})
