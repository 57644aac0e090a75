import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { generatedFiles } from '../../../src/config/generated-files.ts'
import { refusals } from '../../../src/model/refusal.ts'
import { projectRoot } from '../../support/source-files.ts'

const text = (file: string) => readFileSync(join(projectRoot, file), 'utf8')

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly additionalProperties?: boolean | Schema
}

describe('generated files', () => {
  it.each(Object.entries(generatedFiles))('%s is what npm run generate writes', (file, render) => {
    expect(text(file)).toBe(render())
  })

  it('describe every key in the schema and in the reference', () => {
    const keys: string[] = []
    const visit = (schema: Schema): void => {
      for (const [key, property] of Object.entries(schema.properties ?? {})) {
        if (key === 'inline') continue
        expect(property.description, key).toMatch(/\S.*[.)]$/)
        keys.push(key)
        visit(property)
      }
      if (schema.items !== undefined) visit(schema.items)
      for (const one of schema.anyOf ?? []) visit(one)
      if (typeof schema.additionalProperties === 'object') visit(schema.additionalProperties)
    }
    visit(JSON.parse(text('config/schema.json')))
    visit(JSON.parse(text('config/hub.schema.json')))
    expect(keys.length).toBeGreaterThan(80)
    const reference = text('docs/config.md')
    expect(keys.filter(key => key !== 'file' && !reference.includes(`| \`${key}\``))).toEqual([])
  })

  it('forbid unknown keys everywhere in the schema', () => {
    const visit = (schema: Schema, path: string): void => {
      const isKeySet = path.includes('.inline')
      if (schema.properties !== undefined && !isKeySet) expect(schema.additionalProperties, path).toBe(false)
      for (const [key, property] of Object.entries(schema.properties ?? {})) visit(property, `${path}.${key}`)
      if (schema.items !== undefined) visit(schema.items, `${path}[]`)
      for (const one of schema.anyOf ?? []) visit(one, path)
    }
    visit(JSON.parse(text('config/schema.json')), '')
    visit(JSON.parse(text('config/hub.schema.json')), '')
  })

  it('let editors accept a reference to the environment where a number or a word is asked for', () => {
    const schema = JSON.parse(text('config/schema.json'))
    const reference = new RegExp(schema.$defs.reference.pattern)
    expect(reference.test(`\${COUNT:-5}`)).toBe(true)
    expect(reference.test('COUNT')).toBe(false)
    for (const field of ['queue', 'when_full']) {
      expect(schema.properties.audit.properties[field].anyOf).toContainEqual({ $ref: '#/$defs/reference' })
    }
  })

  it('list every refusal with its status', () => {
    const errors = text('docs/errors.md')
    for (const [code, { status }] of Object.entries(refusals)) {
      expect(errors).toMatch(new RegExp(`^\\| \`${code.replace('.', '\\.')}\` +\\| ${status} `, 'm'))
    }
  })
})
