import { renderConfigReference } from './config-reference.ts'
import { renderErrorReference } from './error-reference.ts'
import {
  renderHubSchema,
  renderPolicySchema,
  renderPolicySuiteSchema,
  renderSidecarSchema,
} from './published-schema.ts'

/** The files that `npm run generate` writes, relative to the project; a test keeps them true. */
export const generatedFiles: Readonly<Record<string, () => string>> = {
  'config/schema.json': renderSidecarSchema,
  'config/hub.schema.json': renderHubSchema,
  'config/policy.schema.json': renderPolicySchema,
  'config/policy-test.schema.json': renderPolicySuiteSchema,
  'docs/config.md': renderConfigReference,
  'docs/errors.md': renderErrorReference,
}
