import { defineConfig } from 'vitest/config'

/** One project per tier: what a test needs decides where it lives (docs/architecture.md). */
const tiers = ['unit', 'contract', 'conformance', 'attacks', 'integration', 'e2e'] as const

export default defineConfig({
  test: {
    projects: tiers.map(name => ({
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        testTimeout: name === 'unit' ? 10_000 : 30_000,
        hookTimeout: 30_000,
      },
    })),
  },
})
